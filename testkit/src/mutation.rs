//! Damages files as transfers, editors and attackers do, the same in every run.

use crate::random::Random;

/// `file` with one to eight bytes changed, a piece cut out, repeated, or the rest cut off.
pub fn mutated(file: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed + 1);
    let mut random = |below: usize| random.below(below);
    let mut file = file.to_vec();
    let (from, length) = (random(file.len()), 1 + random(32));
    let piece = from..(from + length).min(file.len());
    match random(8) {
        0 => drop(file.drain(piece)),
        1 => {
            let copy = file[piece].to_vec();
            file.splice(from..from, copy);
        }
        2 => file.truncate(from),
        _ => {
            for _ in 0..=random(8) {
                let index = random(file.len());
                file[index] = if random(2) == 0 { random(256) as u8 } else { [0, 1, 0x7F, 0x80, 0xFF][random(5)] };
            }
        }
    }
    file
}
