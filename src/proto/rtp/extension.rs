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
    fn an_element_longer_than_the_body_ends_the_walk() {
        assert_eq!(ExtensionElements::new(0xbede, &[0x1f, 1, 2]).count(), 0);
        assert_eq!(ExtensionElements::new(0x1000, &[7, 200, 2]).count(), 0);
        assert_eq!(ExtensionElements::new(0x1234, &[0x10, 1]).count(), 0);
    }
}
