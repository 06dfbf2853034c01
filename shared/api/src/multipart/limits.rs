//! Every limit of the reader, with its reason. None is a key of the configuration: they bound syntax, which no operator
//! has reason to allow more of. What an upload may hold stands in `[limits]`.

/// RFC 2046, section 5.1.1.
pub(super) const BOUNDARY: usize = 70;

/// Text in front of the first boundary, which RFC 2046 lets mail programs write for old readers. No HTTP client does.
pub(super) const PREAMBLE: usize = 8 * 1024;

/// What follows the closing boundary is read, so that the connection may live on: a line break, usually. Beyond this
/// it is left unread, and the edge closes the connection.
pub(super) const EPILOGUE: usize = 64 * 1024;

/// Blanks behind a boundary (RFC 2046: "transport padding"), which only mail gateways add.
pub(super) const PADDING: usize = 256;

/// Bytes of the headers of one part, line ends and all. A file name has at most 255 bytes, a digest about 60.
pub(super) const HEADER_BYTES: usize = 16 * 1024;

/// Header fields of one part. Browsers send two, our own client four.
pub(super) const HEADERS: usize = 32;

/// Parameters of one header field. The longest in use has three; each is compared with all the others.
pub(super) const PARAMETERS: usize = 16;
