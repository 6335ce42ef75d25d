//! The octets of a block in the archive: LEB128 numbers, counted octets, and a reader that never runs
//! past the end.

/// What was read is not what this archive writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged block: {0}")]
pub struct Corrupt(pub(crate) &'static str);

/// Appends a number, seven bits to the octet, the lowest first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number that is small on either side of zero.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Appends octets behind their count.
pub(crate) fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    put_varint(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// Maps numbers near zero, of either sign, to small ones.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads a block from its beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Corrupt("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn octet(&mut self) -> Result<u8, Corrupt> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            value |= u64::from(octet & 0x7f) << shift;
            if octet < 0x80 {
                return Ok(value);
            }
        }
        Err(Corrupt("a number of more than ten octets"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Corrupt> {
        self.varint().map(unzigzag)
    }

    /// A count of things that take at least one octet each: never more than what is left.
    pub(crate) fn count(&mut self) -> Result<usize, Corrupt> {
        let count = self.varint()?;
        if count > self.rest.len() as u64 {
            return Err(Corrupt("a count larger than the block"));
        }
        Ok(count as usize)
    }

    pub(crate) fn octets(&mut self) -> Result<&'a [u8], Corrupt> {
        let count = self.count()?;
        self.take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_read_back(unsigned: u64, signed: i64, octets: Vec<u8>) {
            let mut out = Vec::new();
            put_varint(&mut out, unsigned);
            put_signed(&mut out, signed);
            put_octets(&mut out, &octets);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(unsigned));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.octets(), Ok(&octets[..]));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn a_block_cut_short_is_an_error(value in 128u64.., keep in 0usize..1) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert!(Reader::new(&out[..keep]).varint().is_err());
        }
    }
}
