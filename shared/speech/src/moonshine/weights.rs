//! Reads the weights of a network from its ONNX file by the names that the exporter gave them.

use std::collections::HashMap;

use rten_onnx::onnx::{DataType, GraphProto, ModelProto, TensorProto};

use super::byte_matrix::ByteMatrix;
use super::linear::{Kernels, Linear};

/// The maximum depth of nested graphs: more than any network has.
const MOST_NESTED: usize = 4;

pub(super) struct Weights {
    tensors: HashMap<String, TensorProto>,
    /// The name of the weights of each multiplication, by the name of its output.
    products: HashMap<String, String>,
}

impl Weights {
    pub fn read(onnx: &[u8]) -> Result<Self, String> {
        let model = ModelProto::parse_buf(onnx).map_err(|error| error.to_string())?;
        let mut weights = Self { tensors: HashMap::new(), products: HashMap::new() };
        weights.collect(model.graph.unwrap_or_default(), MOST_NESTED);
        Ok(weights)
    }

    fn collect(&mut self, graph: GraphProto, depth: usize) {
        let named = graph.initializer.into_iter().filter_map(|tensor| Some((tensor.name.clone()?, tensor)));
        self.tensors.extend(named);
        for mut node in graph.node {
            if let (Some("MatMulInteger"), [output], [_, weights, ..]) =
                (node.op_type.as_deref(), &node.output[..], &node.input[..])
            {
                self.products.insert(output.clone(), weights.clone());
            }
            let inner = node.attribute.iter_mut().filter_map(|attribute| attribute.g.take());
            if depth > 0 {
                inner.for_each(|graph| self.collect(graph, depth - 1));
            }
        }
    }

    /// Whether the network has a multiplication of this name.
    pub fn has(&self, name: &str) -> bool {
        self.products.contains_key(&product(name))
    }

    /// The multiplication of this name, such as `/model/decoder/layers.0/mlp/up_proj`.
    pub fn linear(&self, kernels: &Kernels, name: &str) -> Result<Linear, String> {
        let weights = self.products.get(&product(name)).ok_or_else(|| format!("there is no {name}"))?;
        let weights = weights.strip_suffix("_quantized").ok_or_else(|| format!("{weights} is not quantized"))?;
        Ok(Linear::new(kernels, &self.bytes(weights)?))
    }

    /// The quantized matrix of this name.
    pub fn bytes(&self, name: &str) -> Result<ByteMatrix, String> {
        let tensor = self.tensor(&format!("{name}_quantized"))?;
        let [rows, columns] = tensor.dims[..] else { return Err(format!("{name} is no matrix")) };
        let (rows, columns) = (size(rows)?, size(columns)?);
        let bytes = raw(tensor, DataType::UINT8)?;
        if rows == 0 || columns == 0 || rows.checked_mul(columns) != Some(bytes.len()) {
            return Err(format!("{name} is of another size than it says"));
        }
        let scale = self.floats(&format!("{name}_scale"), 1)?[0];
        let zero = self.tensor(&format!("{name}_zero_point"))?;
        let zero = zero.int32_data.first().and_then(|zero| u8::try_from(*zero).ok()).map_or_else(
            || raw(zero, DataType::UINT8).and_then(|bytes| bytes.first().copied().ok_or_else(|| name.to_owned())),
            Ok,
        )?;
        Ok(ByteMatrix { rows, columns, bytes, scale, zero })
    }

    pub fn floats(&self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let tensor = self.tensor(name)?;
        let floats = if tensor.float_data.is_empty() {
            let bytes = raw(tensor, DataType::FLOAT)?;
            bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
        } else {
            tensor.float_data.clone()
        };
        if floats.len() == count {
            Ok(floats)
        } else {
            Err(format!("{name} has {} numbers, not {count}", floats.len()))
        }
    }

    fn tensor(&self, name: &str) -> Result<&TensorProto, String> {
        self.tensors.get(name).ok_or_else(|| format!("there is no {name}"))
    }
}

/// The output of a multiplication as the exporter names it.
fn product(name: &str) -> String {
    format!("{name}/MatMul_output_0_output_quantized")
}

fn size(dimension: i64) -> Result<usize, String> {
    usize::try_from(dimension).map_err(|_| format!("{dimension} is no size"))
}

fn raw(tensor: &TensorProto, wanted: DataType) -> Result<Vec<u8>, String> {
    let name = tensor.name.as_deref().unwrap_or_default();
    if tensor.data_type != Some(wanted) {
        return Err(format!("{name} is of another type"));
    }
    Ok(tensor.raw_data.as_ref().ok_or_else(|| format!("{name} has no data"))?.borrow().clone())
}
