//! Input of a fuzzer, taken piece by piece. At its end everything reads as zero or empty.

pub struct Bytes<'a>(pub &'a [u8]);

// Each fuzz target uses a part of it.
#[allow(dead_code)]
impl<'a> Bytes<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }
    /// So many bytes as the next two say, as far as there are.
    pub fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(self.word() % 2048).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }
    /// Overwrites, cuts or inserts at up to three places.
    pub fn patch(&mut self, message: &mut Vec<u8>) {
        for _ in 0..self.byte() % 4 {
            let at = usize::from(self.word()) % (message.len() + 1);
            match self.byte() % 3 {
                0 => {
                    let byte = self.byte();
                    message.get_mut(at).into_iter().for_each(|b| *b = byte);
                }
                1 => {
                    let end = message.len().min(at + usize::from(self.byte() % 32));
                    message.drain(at..end);
                }
                _ => {
                    let length = usize::from(self.byte() % 32).min(self.0.len());
                    let (piece, rest) = self.0.split_at(length);
                    self.0 = rest;
                    message.splice(at..at, piece.iter().copied());
                }
            }
        }
    }
}
