//! A macro that reads one list of routes twice: for the router and for the OpenAPI document. The two are made
//! separately because the descriptions take longer than the rest of the start, and are needed only if somebody asks for
//! the document.

use axum::routing::MethodFilter;
use utoipa::openapi::path::HttpMethod;

/// `listed! { serve, describe: State; { handler of module, handler of module } [layer, layer] }` makes two functions: one
/// gives the router, the other its description. Handlers in one pair of braces share their path.
macro_rules! listed {
    (
        $(#[$attribute:meta])*
        $serve:ident, $describe:ident: $state:ty;
        $({ $($handler:ident of $($module:ident)::+),+ } $([$($layer:expr),+])?)*
    ) => {
        $(#[$attribute])*
        fn $serve() -> ::axum::Router<$state> {
            ::utoipa_axum::paste! {
                ::axum::Router::new()$(.route(
                    $crate::listed::shared_path(&[
                        $(<$($module)::+::[<__path_ $handler>] as ::utoipa::Path>::path()),+
                    ]),
                    ::axum::routing::MethodRouter::new()
                        $(.on(
                            $crate::listed::methods(
                                &<$($module)::+::[<__path_ $handler>] as ::utoipa::Path>::methods(),
                            ),
                            $($module)::+::$handler,
                        ))+
                        $($(.layer($layer))+)?
                ))*
            }
        }

        $(#[$attribute])*
        fn $describe() -> ::utoipa::openapi::OpenApi {
            ::utoipa_axum::router::OpenApiRouter::<$state>::new()
                $(.routes(::utoipa_axum::routes!($($($module)::+::$handler),+)))*
                .into_openapi()
        }
    };
}

pub(crate) use listed;

/// The path that these handlers share.
pub fn shared_path(paths: &[String]) -> &str {
    debug_assert!(paths.windows(2).all(|pair| pair[0] == pair[1]), "{paths:?} are listed as one");
    paths.first().map_or("", String::as_str)
}

/// The methods of a route as axum names them.
pub fn methods(described: &[HttpMethod]) -> MethodFilter {
    let filter = |method: &HttpMethod| match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    };
    // A description without a method does not compile.
    described.iter().map(filter).reduce(MethodFilter::or).unwrap_or(MethodFilter::GET)
}
