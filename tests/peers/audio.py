"""Reads recordings and finds tones and known audio in them. Only the standard library."""

import array
import math
import struct
import wave

from kit import Failure, need

RATE = 8000


def read_wav(path):
    """(rate, samples of the first channel, -32768..32767). The header may be unfinished: the data go to the file's end."""
    raw = open(path, "rb").read()
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        raise Failure(f"{path} is no WAV file")
    at, rate, channels, bits = 12, RATE, 1, 16
    while at + 8 <= len(raw):
        name, size = raw[at : at + 4], struct.unpack("<I", raw[at + 4 : at + 8])[0]
        if name == b"fmt ":
            kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", raw[at + 8 : at + 24])
            need(kind in (1, 0xFFFE), f"{path} holds format {kind}, not PCM")
        if name == b"data":
            data = raw[at + 8 :] if at + 8 + size > len(raw) or size == 0 else raw[at + 8 : at + 8 + size]
            break
        at += 8 + size + size % 2
    else:
        raise Failure(f"{path} has no audio")
    if bits == 8:
        samples = [(b - 128) * 256 for b in data]
    else:
        samples = array.array("h", data[: len(data) // 2 * 2])
    return rate, list(samples[::channels])


def write_tone(path, hz, seconds, rate=RATE, level=10000):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        count = int(seconds * rate)
        out.writeframes(
            array.array("h", (int(level * math.sin(2 * math.pi * hz * i / rate)) for i in range(count))).tobytes()
        )
    return path


def loud_blocks(rate, samples):
    """The 20 ms blocks in which something is heard."""
    size = rate // 50
    blocks = [samples[i : i + size] for i in range(0, len(samples) - size + 1, size)]
    return [b for b in blocks if sum(v * v for v in b) / size > 200**2]


def share(rate, samples, hz):
    """How much of the energy is at `hz`: 1 for a pure tone (Goertzel, over windows of 200 ms)."""
    window = rate // 5
    turn = 2 * math.cos(2 * math.pi * hz / rate)
    shares = []
    for start in range(0, len(samples) - window + 1, window):
        block = samples[start : start + window]
        s1 = s2 = 0.0
        for value in block:
            s1, s2 = value + turn * s1 - s2, s1
        energy = sum(v * v for v in block)
        shares.append(2 * (s1 * s1 + s2 * s2 - turn * s1 * s2) / (window * energy) if energy else 0.0)
    return sum(shares) / len(shares) if shares else 0.0


def expect_tone(path, hz, seconds):
    """The recording holds the tone, for at least so long, and hardly anything else."""
    rate, samples = read_wav(path)
    heard = [v for block in loud_blocks(rate, samples) for v in block]
    long = len(heard) / rate
    need(long >= seconds, f"{path}: only {long:.2f} s of sound, wanted {seconds} s")
    part = share(rate, heard, hz)
    need(part > 0.85, f"{path}: only {part:.2f} of the energy is at {hz} Hz")


def expect_silence(path):
    rate, samples = read_wav(path)
    need(not loud_blocks(rate, samples), f"{path}: there is sound where silence was expected")
