//! The system calls std and socket2 do not wrap: batches of messages, socket
//! options by number, ppoll(2) and eventfd(2). All `unsafe` of the crate is here.
//!
//! Promises: every function is safe to call with any arguments; pointers handed
//! to the kernel point into slices borrowed for the call and do not outlive it.
//! Leaves out: what the bytes mean (see `control` and `packet`).

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use crate::control::{CONTROL_IN_BYTES, NAME_BYTES};

/// Messages of one system call. Of 64 nearly all of the gain comes by 16.
pub const BATCH: usize = 64;

/// One message to send.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub name: &'a [u8],
    pub packet: &'a [u8],
    pub control: &'a [u8],
}

/// Room for one batch of received messages.
#[derive(Debug)]
pub struct Inbox {
    packets: Vec<u8>,
    /// Bytes of `packets` for each message.
    room: usize,
    names: Box<[[u8; NAME_BYTES]; BATCH]>,
    controls: Box<[[u8; CONTROL_IN_BYTES]; BATCH]>,
    lengths: [Lengths; BATCH],
}

#[derive(Debug, Clone, Copy, Default)]
struct Lengths {
    packet: usize,
    name: usize,
    control: usize,
    truncated: bool,
}

/// One message received.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    pub name: &'a [u8],
    pub packet: &'a [u8],
    pub control: &'a [u8],
    /// The packet was longer than the room for it.
    pub truncated: bool,
}

impl Inbox {
    /// Room for packets of up to `room` bytes each.
    pub fn new(room: usize) -> Self {
        Self {
            packets: vec![0; room * BATCH],
            room,
            names: Box::new([[0; NAME_BYTES]; BATCH]),
            controls: Box::new([[0; CONTROL_IN_BYTES]; BATCH]),
            lengths: [Lengths::default(); BATCH],
        }
    }

    /// Makes room for packets of `room` bytes, if there is less. What was
    /// received before is forgotten.
    pub fn grow(&mut self, room: usize) {
        if room > self.room {
            self.room = room.next_multiple_of(1024);
            self.packets.resize(self.room * BATCH, 0);
        }
    }

    /// Message `index` of those last received.
    pub fn message(&self, index: usize) -> Incoming<'_> {
        let lengths = self.lengths[index];
        let start = index * self.room;
        Incoming {
            name: &self.names[index][..lengths.name],
            packet: &self.packets[start..start + lengths.packet],
            control: &self.controls[index][..lengths.control],
            truncated: lengths.truncated,
        }
    }
}

/// sendmmsg(2) without blocking: how many of `messages` (of the first [`BATCH`])
/// the kernel took; an error is that of the first message.
#[expect(unsafe_code, reason = "sendmmsg is not wrapped by std or socket2")]
pub fn send<'a>(
    fd: BorrowedFd<'_>,
    messages: impl Iterator<Item = Outgoing<'a>>,
) -> io::Result<usize> {
    let mut vectors = [libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    }; BATCH];
    // SAFETY: mmsghdr is a C structure of integers and pointers; all zero is valid.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
    let mut count = 0;
    for ((message, header), vector) in messages.zip(&mut headers).zip(&mut vectors) {
        vector.iov_base = message.packet.as_ptr().cast_mut().cast();
        vector.iov_len = message.packet.len();
        let header = &mut header.msg_hdr;
        header.msg_name = message.name.as_ptr().cast_mut().cast();
        header.msg_namelen = message.name.len() as libc::socklen_t;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        if !message.control.is_empty() {
            header.msg_control = message.control.as_ptr().cast_mut().cast();
            header.msg_controllen = message.control.len() as _;
        }
        count += 1;
    }
    // SAFETY: the first `count` headers point to one vector each, and to names,
    // packets and control bytes of the given lengths, all borrowed until the end
    // of this function ('a outlives it). The kernel only reads them, and writes
    // `msg_len` in `headers`.
    let sent = unsafe {
        libc::sendmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// recvmmsg(2) without blocking: how many messages, `limit` of them at most, are
/// now in `inbox`. With `errors` the error queue is read instead of the packets.
#[expect(unsafe_code, reason = "recvmmsg is not wrapped by std or socket2")]
pub fn receive(
    fd: BorrowedFd<'_>,
    inbox: &mut Inbox,
    errors: bool,
    limit: usize,
) -> io::Result<usize> {
    let limit = limit.min(BATCH);
    let mut vectors = [libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    }; BATCH];
    // SAFETY: as in `send`.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
    let parts = inbox
        .packets
        .chunks_exact_mut(inbox.room)
        .zip(inbox.names.iter_mut())
        .zip(inbox.controls.iter_mut())
        .take(limit);
    for ((((packet, name), control), header), vector) in parts.zip(&mut headers).zip(&mut vectors) {
        vector.iov_base = packet.as_mut_ptr().cast();
        vector.iov_len = packet.len();
        let header = &mut header.msg_hdr;
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_namelen = NAME_BYTES as libc::socklen_t;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_IN_BYTES as _;
    }
    let flags = libc::MSG_DONTWAIT | if errors { libc::MSG_ERRQUEUE } else { 0 };
    // SAFETY: the first `limit` headers point to one vector each, and to distinct parts of
    // `inbox` of the given lengths, mutably borrowed here; the kernel writes no
    // further than those lengths. No timeout is given.
    let received = unsafe {
        libc::recvmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            limit as libc::c_uint,
            flags as _,
            ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (header, lengths) in headers.iter().zip(&mut inbox.lengths).take(received) {
        *lengths = Lengths {
            packet: (header.msg_len as usize).min(inbox.room),
            name: (header.msg_hdr.msg_namelen as usize).min(NAME_BYTES),
            control: length(header.msg_hdr.msg_controllen).min(CONTROL_IN_BYTES),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        };
    }
    Ok(received)
}

/// A length whose type differs between C libraries.
fn length(value: impl TryInto<usize>) -> usize {
    value.try_into().unwrap_or(0)
}

/// setsockopt(2).
#[expect(unsafe_code, reason = "options socket2 does not know")]
pub fn set_option(fd: BorrowedFd<'_>, level: i32, option: i32, value: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `value.len()` bytes of `value`, borrowed for the call.
    let code = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    };
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// getsockopt(2) into `value`; returns how many bytes of it were filled.
#[expect(unsafe_code, reason = "options socket2 does not know")]
pub fn option(fd: BorrowedFd<'_>, level: i32, option: i32, value: &mut [u8]) -> io::Result<usize> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `value`, mutably
    // borrowed for the call, and the count to `length`.
    let code = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            option,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if code == 0 {
        Ok((length as usize).min(value.len()))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What to wait for on one descriptor.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    pub fd: BorrowedFd<'a>,
    /// Also until it can be written.
    pub writable: bool,
}

/// What a descriptor has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// Something to be read.
    pub readable: bool,
    /// Something in the error queue, or a pending error.
    pub noticed: bool,
    /// Nothing any more: it was shut down or closed.
    pub dead: bool,
}

/// ppoll(2) until one of the descriptors (of the first three) is ready or
/// `timeout` is over; `None` waits for ever. Returns what each has.
#[expect(unsafe_code, reason = "ppoll is not wrapped by std or socket2")]
pub fn wait(watched: &[Watch<'_>], timeout: Option<Duration>) -> io::Result<[Ready; 3]> {
    let mut entries = [libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }; 3];
    for (entry, watch) in entries.iter_mut().zip(watched) {
        entry.fd = watch.fd.as_raw_fd();
        entry.events = libc::POLLIN | if watch.writable { libc::POLLOUT } else { 0 };
    }
    let limit = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().min(86_400) as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `entries` holds at least as many entries as said, `limit` is null or points to a timespec that lives until
    // the end of this function, and no signal mask is given.
    let ready = unsafe {
        libc::ppoll(
            entries.as_mut_ptr(),
            watched.len().min(entries.len()) as libc::nfds_t,
            limit,
            ptr::null(),
        )
    };
    if ready < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(entries.map(|entry| Ready {
        readable: entry.revents & libc::POLLIN != 0,
        noticed: entry.revents & libc::POLLERR != 0,
        dead: entry.revents & (libc::POLLHUP | libc::POLLNVAL) != 0,
    }))
}

/// Sets the nice value of the calling thread: on Linux each thread has its own (setpriority(2), "C library/kernel differences").
#[expect(unsafe_code, reason = "setpriority is not wrapped by std or socket2")]
pub fn set_nice(nice: i8) -> io::Result<()> {
    // SAFETY: no memory is involved; 0 is the calling thread.
    let status = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, i32::from(nice)) };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A non-blocking eventfd(2): written to wake, read to forget.
#[expect(unsafe_code, reason = "eventfd is not wrapped by std or socket2")]
pub fn event() -> io::Result<File> {
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and is owned by nobody else.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}
