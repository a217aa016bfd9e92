//! A description in a few lines, for people.

use super::formats::payload_formats;
use super::{Media, SessionDescription};

impl SessionDescription {
    /// Who describes which session, and for each media where it goes, which way and in what. No keys.
    pub fn summary(&self) -> String {
        let origin = &self.origin;
        let mut out = format!(
            "session {} by {} at {}, id {}, version {}",
            self.name, origin.username, origin.address, origin.session_id, origin.version
        );
        for (index, media) in self.media.iter().enumerate() {
            out.push('\n');
            out.push_str(&self.summary_of(index, media));
        }
        out
    }

    fn summary_of(&self, index: usize, media: &Media) -> String {
        if media.port == 0 {
            return format!("{} refused", media.kind);
        }
        let address = self.connection_of(index).map_or("?", |c| &*c.address);
        let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let (port, protocol) = (media.port, &media.protocol);
        let direction = self.direction(index).as_str();
        let mut out = format!("{} {address}:{port} {protocol} {direction}:", media.kind);
        for (n, format) in media.formats.iter().enumerate() {
            out.push_str(if n == 0 { " " } else { ", " });
            out.push_str(&name_of(media, format));
        }
        for (name, unit) in [("ptime", " ms"), ("maxptime", " ms"), ("rtcp", ""), ("mid", ""), ("ssrc", "")] {
            if let Some(value) = media.attribute(name) {
                out.push_str(&format!("; {name} {value}{unit}"));
            }
        }
        if media.attributes.iter().any(|a| &*a.name == "rtcp-mux") {
            out.push_str("; rtcp-mux");
        }
        match media.attribute_values("crypto").count() {
            0 => {}
            1 => out.push_str("; 1 key"),
            keys => out.push_str(&format!("; {keys} keys")),
        }
        if media.attribute("fingerprint").or(self.attribute("fingerprint")).is_some() {
            out.push_str("; keys by DTLS");
        }
        out
    }
}

/// `8 PCMA/8000`, or only what stands in the line.
fn name_of(media: &Media, format: &str) -> String {
    let known = payload_formats(media).into_iter().find(|f| format.parse() == Ok(f.payload_type));
    match known {
        Some(f) if f.channels > 1 => format!("{format} {}/{}/{}", f.name, f.clock_rate, f.channels),
        Some(f) => format!("{format} {}/{}", f.name, f.clock_rate),
        None => format.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_tells_each_media_and_no_key() {
        let text = "v=0\r\no=alice 7 8 IN IP4 192.0.2.1\r\ns=talk\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            m=audio 30000 RTP/SAVP 0 96 101 127\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
            a=ptime:20\r\na=sendonly\r\na=rtcp-mux\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:geheim\r\n\
            m=video 0 RTP/AVP 34\r\nm=audio 9 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\n";
        let sdp = SessionDescription::parse(text.as_bytes()).expect("a description");
        let lines: Vec<String> = sdp.summary().lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "session talk by alice at 192.0.2.1, id 7, version 8",
                "audio 192.0.2.1:30000 RTP/SAVP sendonly: 0 PCMU/8000, 96 opus/48000/2, 101 telephone-event/8000, 127; \
                 ptime 20 ms; rtcp-mux; 1 key",
                "video refused",
                "audio [2001:db8::1]:9 RTP/AVP sendrecv: 8 PCMA/8000",
            ]
        );
    }
}
