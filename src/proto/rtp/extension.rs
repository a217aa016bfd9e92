//! Elements of the general header extension (RFC 8285).

/// One element: its local identifier and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtensionElement<'a> {
    pub id: u8,
    pub data: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Form {
    OneByte,
    TwoByte,
    /// Some other profile: the body is opaque.
    Opaque,
}

/// Walks the elements of an extension body. Ends at the first element that does not fit.
#[derive(Clone, Debug)]
pub struct ExtensionElements<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> ExtensionElements<'a> {
    pub fn new(profile: u16, body: &'a [u8]) -> ExtensionElements<'a> {
        let form = match profile {
            // RFC 8285 section 4.2.
            0xbede => Form::OneByte,
            // RFC 8285 section 4.3: 0x100 in the upper twelve bits, the rest is "appbits".
            p if p & 0xfff0 == 0x1000 => Form::TwoByte,
            _ => Form::Opaque,
        };
        ExtensionElements { form, rest: body }
    }

    /// Bytes of the body that were not walked yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn next_one_byte(&mut self) -> Option<ExtensionElement<'a>> {
        loop {
            let (&head, rest) = self.rest.split_first()?;
            self.rest = rest;
            match head >> 4 {
                // A padding byte; RFC 8285 4.2 has its length ignored.
                0 if head == 0 => {}
                // An ID of 0 with a length, and 15, end the processing.
                0 | 15 => {
                    self.rest = &[];
                    return None;
                }
                id => return self.take(id, usize::from(head & 0x0f) + 1),
            }
        }
    }

    fn next_two_byte(&mut self) -> Option<ExtensionElement<'a>> {
        loop {
            let (&id, rest) = self.rest.split_first()?;
            self.rest = rest;
            if id == 0 {
                continue;
            }
            let (&len, rest) = self.rest.split_first()?;
            self.rest = rest;
            return self.take(id, usize::from(len));
        }
    }

    fn take(&mut self, id: u8, len: usize) -> Option<ExtensionElement<'a>> {
        if len > self.rest.len() {
            self.rest = &[];
            return None;
        }
        let (data, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(ExtensionElement { id, data })
    }
}

impl<'a> Iterator for ExtensionElements<'a> {
    type Item = ExtensionElement<'a>;
    fn next(&mut self) -> Option<ExtensionElement<'a>> {
        match self.form {
            Form::OneByte => self.next_one_byte(),
            Form::TwoByte => self.next_two_byte(),
            Form::Opaque => None,
        }
    }
}

/// Writes one element at `at` and zeros up to the next word; gives where the next element goes. None: the buffer is too
/// small, or identifier or length don't fit the profile (one byte: 1 to 14 and 1 to 16 bytes; two bytes: 1 to 255 and
/// at most 255 bytes).
pub fn write_element(profile: u16, id: u8, data: &[u8], body: &mut [u8], at: usize) -> Option<usize> {
    let mut head = [id, 0];
    let head = match profile {
        0xbede => {
            let length = u8::try_from(data.len().checked_sub(1)?).ok().filter(|n| *n < 16)?;
            head[0] = (1..=14).contains(&id).then_some(id << 4 | length)?;
            &head[..1]
        }
        p if p & 0xfff0 == 0x1000 && id != 0 => {
            head[1] = u8::try_from(data.len()).ok()?;
            &head[..]
        }
        _ => return None,
    };
    let end = at.checked_add(head.len() + data.len())?;
    let whole = end.checked_next_multiple_of(4)?;
    let place = body.get_mut(at..whole)?;
    let (place, zeros) = place.split_at_mut(end - at);
    let (first, rest) = place.split_at_mut(head.len());
    first.copy_from_slice(head);
    rest.copy_from_slice(data);
    zeros.fill(0);
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_elements_skip_padding_and_stop_at_id_15() {
        // RFC 8285 section 4.2's layout: ID 1 of 1 byte, ID 2 of 2 bytes, padding, ID 3 of 4 bytes.
        let body = [0x10, 0xaa, 0x21, 1, 2, 0, 0, 0x33, 9, 8, 7, 6, 0xf0, 0x10, 0xbb];
        let all: Vec<_> = ExtensionElements::new(0xbede, &body).collect();
        assert_eq!(
            all,
            [
                ExtensionElement { id: 1, data: &[0xaa] },
                ExtensionElement { id: 2, data: &[1, 2] },
                ExtensionElement { id: 3, data: &[9, 8, 7, 6] },
            ]
        );
    }

    #[test]
    fn two_byte_elements_may_be_empty() {
        let body = [1, 0, 2, 1, 0xbb, 0, 3, 4, 1, 2, 3, 4];
        let all: Vec<_> = ExtensionElements::new(0x1000, &body).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].data, b"");
        assert_eq!(all[2], ExtensionElement { id: 3, data: &[1, 2, 3, 4] });
    }

    #[test]
    fn elements_that_are_written_are_read_again() {
        for (profile, longest) in [(0xbede, 16), (0x1000, 255)] {
            let mut body = [0xff; 300];
            let data = [7; 255];
            let at = write_element(profile, 3, &data[..longest], &mut body, 0).expect("room");
            let at = write_element(profile, 14, &[1], &mut body, at).expect("room");
            let end = at.next_multiple_of(4);
            let all: Vec<_> = ExtensionElements::new(profile, &body[..end]).collect();
            assert_eq!(all.iter().map(|e| (e.id, e.data.len())).collect::<Vec<_>>(), [(3, longest), (14, 1)]);
            assert_eq!(write_element(profile, 0, &[1], &mut body, 0), None);
        }
        assert_eq!(write_element(0xbede, 15, &[1], &mut [0; 8], 0), None);
        assert_eq!(write_element(0xbede, 1, &[0; 17], &mut [0; 80], 0), None);
        assert_eq!(write_element(0xbede, 1, &[0; 3], &mut [0; 3], 0), None);
    }

    #[test]
    fn an_element_longer_than_the_body_ends_the_walk() {
        assert_eq!(ExtensionElements::new(0xbede, &[0x1f, 1, 2]).count(), 0);
        assert_eq!(ExtensionElements::new(0x1000, &[7, 200, 2]).count(), 0);
        assert_eq!(ExtensionElements::new(0x1234, &[0x10, 1]).count(), 0);
    }
}
