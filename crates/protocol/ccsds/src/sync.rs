//! Frame synchronisation by attached sync marker (CCSDS 131.0-B §9).
