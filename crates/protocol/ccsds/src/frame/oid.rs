//! The filling of frames that carry only idle data: a 32-cell LFSR (132.0-B-3 annex D; the same in 732.0-B-5
//! annex D and 732.1-B-3 annex H).

/// Endless idle data; runs on from frame to frame, so that no two frames look the same.
#[derive(Clone, Debug)]
pub struct OidFill {
    /// The next 32 bits, first one on top.
    state: u32,
}

impl Default for OidFill {
    fn default() -> Self {
        Self { state: u32::MAX }
    }
}

impl OidFill {
    /// Fills the octets with the sequence's next ones.
    pub fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            *octet = (self.state >> 24) as u8;
            for _ in 0..8 {
                // a[n+32] = a[n] + a[n+10] + a[n+30] + a[n+31]
                let s = self.state;
                let next = (s >> 31 ^ s >> 21 ^ s >> 1 ^ s) & 1;
                self.state = s << 1 | next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_as_printed_in_the_annex_and_runs_on() {
        let mut whole = [0; 20];
        OidFill::default().fill(&mut whole);
        assert_eq!(whole[..12], [255, 255, 255, 255, 0x6D, 0xB6, 0xD8, 0x61, 0x45, 0x1F, 0x11, 0xF1]);
        let mut fill = OidFill::default();
        let mut parts = [0; 20];
        fill.fill(&mut parts[..7]);
        fill.fill(&mut parts[7..]);
        assert_eq!(whole, parts);
    }
}
