//! libfec (Debian's libfec-dev), called through its C interface.

use std::ffi::{c_int, c_uchar, c_void};

unsafe extern "C" {
    fn decode_rs_ccsds(data: *mut c_uchar, eras_pos: *mut c_int, no_eras: c_int, pad: c_int) -> c_int;
    fn create_viterbi27(len: c_int) -> *mut c_void;
    fn set_viterbi27_polynomial(polys: *mut c_int);
    fn init_viterbi27(vp: *mut c_void, starting_state: c_int) -> c_int;
    fn update_viterbi27_blk(vp: *mut c_void, sym: *mut c_uchar, npairs: c_int) -> c_int;
    fn chainback_viterbi27(vp: *mut c_void, data: *mut c_uchar, nbits: u32, endstate: u32) -> c_int;
    fn delete_viterbi27(vp: *mut c_void);
}

/// Corrects one RS(255,223) codeword, dual basis; negative when it cannot be.
pub fn decode(codeword: &mut [u8; 255]) -> i32 {
    // SAFETY: 255 octets are read and written; no erasures are named.
    unsafe { decode_rs_ccsds(codeword.as_mut_ptr(), std::ptr::null_mut(), 0, 0) }
}

/// A Viterbi decoder for K=7 rate 1/2 with the polynomials of CCSDS.
pub struct Viterbi {
    decoder: *mut c_void,
    bits: usize,
}

impl Viterbi {
    pub fn new(bits: usize) -> Self {
        let mut polys: [c_int; 2] = [0x4f, -0x6d];
        // SAFETY: two polynomials are read; the decoder is freed by `drop`.
        let decoder = unsafe {
            set_viterbi27_polynomial(polys.as_mut_ptr());
            create_viterbi27(bits as c_int)
        };
        assert!(!decoder.is_null(), "libfec could not make a decoder");
        Self { decoder, bits }
    }

    /// Decodes `bits + 6` pairs of offset-binary soft symbols to `bits / 8` octets.
    pub fn decode(&mut self, symbols: &mut [u8], out: &mut [u8]) {
        assert!(symbols.len() >= 2 * (self.bits + 6) && out.len() * 8 >= self.bits);
        // SAFETY: the lengths were checked above and the decoder is alive.
        unsafe {
            init_viterbi27(self.decoder, 0);
            update_viterbi27_blk(self.decoder, symbols.as_mut_ptr(), (self.bits + 6) as c_int);
            chainback_viterbi27(self.decoder, out.as_mut_ptr(), self.bits as u32, 0);
        }
    }
}

impl Drop for Viterbi {
    fn drop(&mut self) {
        // SAFETY: made by `create_viterbi27`, freed once.
        unsafe { delete_viterbi27(self.decoder) }
    }
}
