//! Stands in for `tls` in a build without it: there never is a session.

use super::error::{Error, ErrorKind, Result};
use mio::net::TcpStream;
use std::io;
use std::net::IpAddr;

#[derive(Clone, Default)]
pub struct TlsSettings {}

fn none() -> Result<()> {
    Err(Error::new(ErrorKind::NotSupported, "this build has no TLS"))
}

impl TlsSettings {
    pub fn trust_system(&mut self) {}
    pub fn trust_file(&mut self, _path: &str) -> Result<()> {
        none()
    }
    pub fn trust(&mut self, _pem: &[u8]) -> Result<()> {
        none()
    }
    pub fn no_certificate(&mut self) {}
    pub fn set_certificate(&mut self, _chain: &str, _key: &str, _password: Option<&str>) -> Result<()> {
        none()
    }
    pub fn set_verify(&mut self, _verify: bool, _check_name: bool) {}
}

pub struct Context;

impl Context {
    pub fn new(_settings: &TlsSettings) -> Context {
        Context
    }
    pub fn client(&mut self, _ip: IpAddr, _name: Option<&str>) -> std::result::Result<Session, String> {
        Err("this build has no TLS".to_owned())
    }
    pub fn server(&mut self) -> Option<Session> {
        None
    }
}

pub enum Session {}

impl Session {
    pub fn is_handshaking(&self) -> bool {
        match *self {}
    }
    pub fn read(&mut self, _stream: &mut TcpStream, _into: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
    pub fn write(&mut self, _stream: &mut TcpStream, _bytes: &[u8]) -> io::Result<usize> {
        match *self {}
    }
    pub fn flush(&mut self, _stream: &mut TcpStream) -> io::Result<()> {
        match *self {}
    }
    pub fn close(&mut self, _stream: &mut TcpStream) {
        match *self {}
    }
}
