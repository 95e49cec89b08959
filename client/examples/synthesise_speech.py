#!/usr/bin/env python3
"""Synthesises something that sounds like speech between two silences, as the windows that silero_vad takes.

    python client/examples/synthesise_speech.py speech.npy [SEED]
    torchferry predict silero_vad x=@speech.npy sr=16000 --stream

The file holds 94 windows of 512 samples, [94, 1, 512] float32 at 16 kHz: 1 s of silence (very soft noise), 1 s of speech, 1 s
of silence. The speech is made as a vocal tract does it: a train of glottal pulses of gliding pitch goes through resonators, the
formants, which move from vowel to vowel; each syllable swells and fades, and begins with a little noise. Needs numpy alone.
"""
import sys

import numpy as np

RATE = 16000
WINDOW = 512
SILENT_SECONDS = SPEECH_SECONDS = 1.0
SYLLABLE_SECONDS = 0.2
BANDWIDTHS_HZ = (80.0, 100.0, 140.0, 200.0)
# The first four formants, in Hz: a, i, u, e, o.
VOWELS_HZ = np.array([(730, 1090, 2440, 3400), (270, 2290, 3010, 3600), (300, 870, 2240, 3300), (530, 1840, 2480, 3500),
                      (570, 840, 2410, 3300)], float)


def glottal_pulses(count, random):
    """[count] samples: pulses at 110 to 150 Hz, the pitch wandering, whose higher harmonics fall off as a voice's do."""
    seconds = np.arange(count) / RATE
    pitch = 130 + 15 * np.sin(2 * np.pi * 1.3 * seconds) + 5 * np.sin(2 * np.pi * 5.1 * seconds + random.uniform(0, 6))
    phase = np.cumsum(pitch) / RATE % 1
    opening = np.where(phase < 0.6, np.sin(np.pi * phase / 0.6) ** 2, 0.0)
    return np.diff(opening, prepend=0.0)


def resonate(signal, frequencies_hz, bandwidth_hz):
    """[n] samples through one two-pole resonator whose frequency, [n], moves."""
    radius = np.exp(-np.pi * bandwidth_hz / RATE)
    first = 2 * radius * np.cos(2 * np.pi * frequencies_hz / RATE)
    gain = 1 - radius
    output = np.zeros(len(signal) + 2)
    for i, sample in enumerate(signal):
        output[i + 2] = gain * sample + first[i] * output[i + 1] - radius**2 * output[i]
    return output[2:]


def speech(count, random):
    """[count] samples, the loudest 0.5."""
    syllable = int(SYLLABLE_SECONDS * RATE)
    number = -(-count // syllable)
    vowels = VOWELS_HZ[random.permutation(np.arange(number + 1) % len(VOWELS_HZ))]
    position = np.arange(count) / syllable
    formants = [np.interp(position, np.arange(number + 1), vowels[:, i]) for i in range(4)]
    within = position % 1
    envelope = np.sin(np.pi * np.clip(within * 1.1, 0, 1)) ** 0.5
    noise = random.normal(0, 0.05, count) * np.where(within < 0.15, 1.0, 0.05)
    voice = (glottal_pulses(count, random) + noise) * envelope
    for frequencies, bandwidth in zip(formants, BANDWIDTHS_HZ, strict=True):
        voice = resonate(voice, frequencies, bandwidth)
    return 0.5 * voice / np.abs(voice).max()


def main():
    path = sys.argv[1]
    random = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    silent, spoken = (int(seconds * RATE) for seconds in (SILENT_SECONDS, SPEECH_SECONDS))
    audio = np.concatenate([np.zeros(silent), speech(spoken, random), np.zeros(silent)])
    audio += random.normal(0, 1e-4, len(audio))
    steps = -(-len(audio) // WINDOW)
    audio = np.pad(audio, (0, steps * WINDOW - len(audio)))
    np.save(path, audio.astype(np.float32).reshape(steps, 1, WINDOW))


if __name__ == "__main__":
    main()
