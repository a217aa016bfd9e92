//! Page-mode messages of a phone as the host sends them. What becomes of them is the agent's.

use super::error::{Error, ErrorKind, Result};
use super::link::ToControl;
use super::phone::Phone;
use crate::ua::{AccountId, Command, MessageId, Text};

/// RFC 3428 section 8: no more without congestion control. The headers count too; the agent sees to that.
pub const MAX_MESSAGE_BYTES: usize = 1300;

impl Phone {
    /// The number of a message that is to be sent.
    pub fn new_message_id(&self) -> u64 {
        self.link().next_id()
    }

    /// Posts a MESSAGE; `ua::Event::MessageResult` with its number follows.
    pub fn send_message(
        &self,
        id: u64,
        account: Option<AccountId>,
        target: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<()> {
        if body.len() > MAX_MESSAGE_BYTES {
            let text = format!("a message of {} bytes, more than {MAX_MESSAGE_BYTES}", body.len());
            return Err(Error::new(ErrorKind::Range, text));
        }
        check_content_type(content_type)?;
        let target = self.complete_target(account, target)?;
        let text = Text { content_type: content_type.to_owned(), body: body.into() };
        let command = Command::SendMessage { message: MessageId(id), account, target, text };
        self.link().post(ToControl::Command(command))
    }
}

/// `type/subtype;params` on one line.
fn check_content_type(text: &str) -> Result<()> {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
    };
    let kind = text.split(';').next().unwrap_or_default();
    let fits =
        kind.split_once('/').is_some_and(|(kind, subtype)| token(kind.trim()) && token(subtype.trim()));
    match fits && !text.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Argument, format!("{text:?} is no content type"))),
    }
}
