//! Any bytes as a WAV file: every frame of what is taken can be read, and a file written of it is the same.

use voip::media::wav::{decode, WavView, MAX_HEADER_BYTES};

/// True if it is a WAV file.
pub fn run(bytes: &[u8]) -> bool {
    let view = match WavView::parse(bytes) {
        Ok(view) => view,
        Err(error) => {
            assert!(!error.expected.is_empty() && decode(bytes).is_err());
            return false;
        }
    };
    let (format, frames) = (view.format, view.frames());
    assert_eq!(view.data().len(), frames * format.frame_bytes());
    assert!(view.data().len() <= bytes.len());
    let mono = view.to_mono();
    assert_eq!(mono.len(), frames);
    // In pieces it is what it is in one, and behind the end there is nothing.
    let channels = usize::from(format.channels);
    let mut whole = vec![0; frames * channels];
    assert_eq!(view.read(0, &mut whole), frames);
    let (mut at, mut piece) = (0, vec![0; 7 * channels + channels / 2]);
    loop {
        let count = view.read(at, &mut piece);
        assert_eq!(piece[..count * channels], whole[at * channels..(at + count) * channels]);
        at += count;
        if count == 0 {
            break;
        }
    }
    assert_eq!((at, view.read(usize::MAX, &mut piece)), (frames, 0));
    if channels == 1 {
        assert_eq!(whole, mono);
    }
    written_and_read_again(&view);
    true
}

fn written_and_read_again(view: &WavView<'_>) {
    let header = view.format.header(view.data().len() as u64);
    assert!(header.len() <= MAX_HEADER_BYTES);
    let file = [&header, view.data()].concat();
    let again = WavView::parse(&file).expect("our own file");
    assert_eq!((again.format, again.data()), (view.format, view.data()));
}
