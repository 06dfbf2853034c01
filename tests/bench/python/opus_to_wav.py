#!/usr/bin/env python3
"""The common way to decode a device's Opus recording in Python: a loop over its frames that writes a WAV file.

usage: opus_to_wav.py RECORDING.bin OUT.wav [FRAME_SAMPLES]      needs: pip install opuslib, and libopus0
Prints the seconds that decoding took, without the start of the interpreter.
"""
import struct
import sys
import time
import wave

import opuslib

RATE = 16000


def frames(path):
    with open(path, "rb") as file:
        while True:
            head = file.read(4)
            if len(head) < 4:
                return
            (length,) = struct.unpack("<I", head)
            yield file.read(length)


def main(recording, out, samples):
    begin = time.perf_counter()
    decoder = opuslib.Decoder(RATE, 1)
    with wave.open(out, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        for frame in frames(recording):
            wav.writeframes(decoder.decode(frame, samples))
    print(time.perf_counter() - begin)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 160)
