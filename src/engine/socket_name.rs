//! Where a datagram goes, as the system wants to be told.

use std::net::SocketAddr;

/// An address of either family and its length.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SocketName {
    name: Name,
    len: libc::socklen_t,
}

#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl SocketName {
    /// Nowhere.
    pub const fn empty() -> SocketName {
        // SAFETY: plain C data for which zeros are valid.
        SocketName { name: unsafe { std::mem::zeroed() }, len: 0 }
    }

    pub fn new(to: SocketAddr) -> SocketName {
        let mut name = SocketName::empty();
        name.set(to);
        name
    }

    #[inline]
    pub fn set(&mut self, to: SocketAddr) {
        // SAFETY: plain C data for which zeros are valid.
        let mut name: Name = unsafe { std::mem::zeroed() };
        self.len = match to {
            SocketAddr::V4(v4) => {
                // SAFETY: any bytes are numbers.
                let out = unsafe { &mut name.v4 };
                out.sin_family = libc::AF_INET as libc::sa_family_t;
                out.sin_port = v4.port().to_be();
                out.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                // SAFETY: as above.
                let out = unsafe { &mut name.v6 };
                out.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                out.sin6_port = v6.port().to_be();
                out.sin6_addr.s6_addr = v6.ip().octets();
                out.sin6_scope_id = v6.scope_id();
                size_of::<libc::sockaddr_in6>()
            }
        } as libc::socklen_t;
        self.name = name;
    }

    pub fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.name).cast()
    }
    pub fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        (&raw mut self.name).cast()
    }
    pub fn len(&self) -> libc::socklen_t {
        self.len
    }
}
