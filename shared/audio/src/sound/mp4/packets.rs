//! Locates the packets of the track that is read, by the index or by a fragment.

use super::*;

impl Mp4<'_> {
    /// Moves to the next packet and returns its size; `None` if this source has no more packets.
    pub(super) fn next_packet(&mut self) -> Result<Option<u64>, AudioError> {
        let Some(track) = self.read.and_then(|read| self.tracks.get_mut(read)) else { return Ok(None) };
        let file = &mut self.file;
        match &mut self.source {
            Source::None => Ok(None),
            Source::Index { packet, chunk, run: number, in_chunk } => {
                if *packet >= track.packets {
                    return Ok(None);
                }
                while *in_chunk == 0 {
                    let Some(at) = track.chunks.number(file, *chunk)? else { return Ok(None) };
                    self.at = self.base.saturating_add(at);
                    *chunk += 1;
                    // Chunks are counted from 1, and a run of equal ones lasts until the first chunk of the next run.
                    let next = track.runs.get(file, *number + 1)?.map(run);
                    if next.is_some_and(|(first, _)| first <= *chunk) {
                        *number += 1;
                    }
                    let Some((_, packets)) = track.runs.get(file, *number)?.map(run) else { return Ok(None) };
                    *in_chunk = packets;
                }
                if let Some(block) = track.described.as_ref().and_then(Described::block).filter(|_| track.size > 0) {
                    let together = (PIECE / block.max(1)).clamp(1, *in_chunk).min(track.packets - *packet);
                    (*packet, *in_chunk) = (*packet + together, *in_chunk - together);
                    return Ok(Some(together * block));
                }
                let size = match track.size {
                    0 => track.sizes.number(file, *packet)?,
                    size => Some(u64::from(size)),
                };
                (*packet, *in_chunk) = (*packet + 1, *in_chunk - 1);
                Ok(size)
            }
            Source::Fragment { runs, packet } => {
                while let Some(run) = runs.front_mut() {
                    if *packet == 0
                        && let Some(at) = run.at
                    {
                        self.at = at;
                    }
                    let size = if *packet < run.packets { run.size(file, *packet)? } else { None };
                    if let Some(size) = size {
                        *packet += 1;
                        return Ok(Some(size));
                    }
                    runs.pop_front();
                    *packet = 0;
                }
                Ok(None)
            }
        }
    }

    /// Reads a packet. Returns false if it does not lie within the file, or too far from the one before.
    pub(super) fn read_packet(&mut self, size: u64, packet: &mut Vec<u8>) -> Result<bool, AudioError> {
        let next = self.at.saturating_add(size);
        if next > self.length {
            // The index is there, but the audio ends earlier than it says.
            let here = self.length.saturating_sub(self.at);
            self.known = self.known.saturating_add(here);
            let mut missing = 0u64;
            match size > MOST_UNFINISHED {
                true => missing = size,
                false => self.damage.unfinished(size),
            }
            while let Some(size) = self.next_packet()? {
                missing = missing.saturating_add(size);
                // If all packets have the same size, a few bytes can promise four thousand million of them.
                if missing > self.length {
                    break;
                }
            }
            self.damage.lost(missing);
            return Ok(false);
        }
        self.jumps_back += u32::from(self.at < self.end);
        if self.jumps_back > MOST_JUMPS_BACK {
            self.damage.beyond_packet = true;
            return Ok(false);
        }
        self.end = next;
        go(&mut self.file, self.at)?;
        packet.clear();
        (&mut self.file).take(size.min(MOST_PACKET)).read_to_end(packet)?;
        self.known = self.known.saturating_add(size);
        self.longest = self.longest.max(size);
        (self.at, self.boxes) = (next, 0);
        Ok(true)
    }

    /// Counts the bytes of the file that were neither a known box nor a packet.
    pub(super) fn finish(&mut self) {
        self.over = true;
        let missing = self.promises.missing_before(self.length);
        if missing > self.longest {
            self.damage.lost(missing);
        }
        self.end_of_fragments();
        let rest = self.length.saturating_sub(self.known);
        match rest > self.longest.max(64) {
            true => self.damage.lost(rest),
            false => self.damage.unfinished(rest),
        }
    }
}
