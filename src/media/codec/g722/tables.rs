//! The constants of ITU-T G.722 (tables 7 to 21 and the QMF's impulse response, table 11).

/// Every other tap of the 24-tap quadrature mirror filter; the others are the same in reverse order.
pub const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// The 29 decision levels of the low band's quantizer, 16 times the table's values so that the product
/// with the step can be taken from the upper half of 32 bits. The last three are never the first to be
/// passed: they fill a vector register.
pub const DECISIONS: [u16; 32] = {
    const Q6: [u16; 29] = [
        35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121,
        1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
    ];
    let mut levels = [u16::MAX; 32];
    let mut i = 0;
    while i < Q6.len() {
        levels[i] = Q6[i] * 16;
        i += 1;
    }
    levels
};

/// Output levels of the low band's inverse quantizer with 4, 5 and 6 bits, times 2^15.
pub const QM4: [i16; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
pub const QM5: [i16; 32] = [
    -280, -280, -23352, -17560, -14120, -11664, -9752, -8184, -6864, -5712, -4696, -3784, -2960, -2208,
    -1520, -880, 23352, 17560, 14120, 11664, 9752, 8184, 6864, 5712, 4696, 3784, 2960, 2208, 1520, 880, 280,
    -280,
];
pub const QM6: [i16; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];
/// Output levels of the high band's inverse quantizer.
pub const QM2: [i16; 4] = [-7408, -1616, 7408, 1616];

/// Logarithmic multipliers of the low band by its 4-bit codeword (tables RL42 and WL in one).
pub const LOW_MULTIPLIERS: [i16; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// And of the high band by its codeword (RH2 and WH).
pub const HIGH_MULTIPLIERS: [i16; 4] = [798, -214, 798, -214];

/// 2048 times 2^(i/32): the antilogarithm of the scale factors.
pub const ANTILOG: [i16; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
