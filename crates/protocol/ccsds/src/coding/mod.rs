//! TM synchronisation and channel coding (CCSDS 131.0-B): what stands between a transfer frame and the
//! symbols of the physical channel.
