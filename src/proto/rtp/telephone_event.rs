//! telephone-event payloads (RFC 4733).
