//! Every limit of the multipart reader, with its reason. None is a configuration key: they bound syntax, and no
//! operator has a reason to raise them. The limits of an upload's content are in `[limits]`.

/// The length of a boundary (RFC 2046, section 5.1.1).
pub(super) const BOUNDARY: usize = 70;

/// Text before the first boundary, which RFC 2046 lets mail programs write for old readers. No HTTP client writes any.
pub(super) const PREAMBLE: usize = 8 * 1024;

/// Bytes after the closing boundary, usually a line break. They are read so that the connection can be kept; if there
/// are more, they stay unread and the edge closes the connection.
pub(super) const EPILOGUE: usize = 64 * 1024;

/// Blanks after a boundary (RFC 2046: "transport padding"), which only mail gateways add.
pub(super) const PADDING: usize = 256;

/// Bytes of the headers of one part, line ends included. A file name has at most 255 bytes, a digest about 60.
pub(super) const HEADER_BYTES: usize = 16 * 1024;

/// Header fields of one part. Browsers send two, the client of this project four.
pub(super) const HEADERS: usize = 32;

/// Parameters of one header field. The longest in use has three; each is compared with all the others.
pub(super) const PARAMETERS: usize = 16;
