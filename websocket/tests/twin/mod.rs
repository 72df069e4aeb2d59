//! A naive inflater (RFC 1951), for tests: bit by bit, and it notes how far back a copy reaches.
//!
//! It shares no code with the one that is in use, and trusts its input.

/// What a DEFLATE stream without an end says, and the longest distance in it. The stream ends where
/// its octets end, after a whole block.
pub(crate) fn inflate(deflated: &[u8]) -> (Vec<u8>, usize) {
    let mut twin = Twin {
        bits: Bits { deflated, at: 0 },
        made: Vec::new(),
        distance_max: 0,
    };
    while !twin.bits.is_at_end() {
        let _is_final = twin.bits.take(1);
        match twin.bits.take(2) {
            0 => twin.stored(),
            1 => twin.coded(&Code::new(&fixed_lengths()), &Code::new(&[5; 30])),
            2 => {
                let (literals, distances) = twin.dynamic_lengths();
                twin.coded(&Code::new(&literals), &Code::new(&distances));
            }
            _ => panic!("a block of no kind"),
        }
    }
    (twin.made, twin.distance_max)
}

struct Twin<'a> {
    bits: Bits<'a>,
    made: Vec<u8>,
    distance_max: usize,
}

struct Bits<'a> {
    deflated: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// Less than an octet is left: padding.
    fn is_at_end(&self) -> bool {
        self.at.div_ceil(8) >= self.deflated.len()
    }

    /// §3.1.1: numbers begin with their least significant bit.
    fn take(&mut self, count: usize) -> usize {
        (0..count).fold(0, |number, i| {
            let bit = self.deflated[self.at / 8] >> (self.at % 8) & 1;
            self.at += 1;
            number | usize::from(bit) << i
        })
    }

    fn symbol(&mut self, code: &Code) -> usize {
        let (mut read, mut first) = (0, 0);
        for symbols in &code.symbols {
            read = read << 1 | self.take(1);
            first <<= 1;
            if let Some(symbol) = symbols.get(read - first) {
                return *symbol;
            }
            first += symbols.len();
        }
        panic!("no such code");
    }
}

/// §3.2.2: codes are given by their lengths; within a length they count up.
struct Code {
    /// The symbols whose codes have one bit, two, and so on.
    symbols: [Vec<usize>; 15],
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let of_length = |length| {
            let symbols = (0..lengths.len()).filter(|symbol| lengths[*symbol] == length);
            symbols.collect()
        };
        Self {
            symbols: std::array::from_fn(|index| of_length(index + 1)),
        }
    }
}

impl Twin<'_> {
    fn stored(&mut self) {
        self.bits.at = self.bits.at.div_ceil(8) * 8;
        let length = self.bits.take(16);
        assert_eq!(length ^ 0xFFFF, self.bits.take(16));
        for _ in 0..length {
            let octet = self.bits.take(8) as u8;
            self.made.push(octet);
        }
    }

    fn coded(&mut self, literals: &Code, distances: &Code) {
        loop {
            match self.bits.symbol(literals) {
                256 => return,
                literal @ 0..=255 => self.made.push(literal as u8),
                symbol => {
                    let length = self.length(symbol);
                    let symbol = self.bits.symbol(distances);
                    let distance = self.distance(symbol);
                    self.distance_max = self.distance_max.max(distance);
                    for _ in 0..length {
                        self.made.push(self.made[self.made.len() - distance]);
                    }
                }
            }
        }
    }

    /// §3.2.5.
    fn length(&mut self, symbol: usize) -> usize {
        let step = symbol - 257;
        match symbol {
            257..=264 => 3 + step,
            285 => 258,
            _ => {
                let extra = step / 4 - 1;
                3 + ((4 + step % 4) << extra) + self.bits.take(extra)
            }
        }
    }

    fn distance(&mut self, symbol: usize) -> usize {
        if symbol < 4 {
            return 1 + symbol;
        }
        let extra = symbol / 2 - 1;
        1 + ((2 + symbol % 2) << extra) + self.bits.take(extra)
    }

    /// §3.2.7.
    fn dynamic_lengths(&mut self) -> (Vec<usize>, Vec<usize>) {
        const ORDER: [usize; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let literals = 257 + self.bits.take(5);
        let distances = 1 + self.bits.take(5);
        let mut codes = [0; 19];
        let count = 4 + self.bits.take(4);
        for place in &ORDER[..count] {
            codes[*place] = self.bits.take(3);
        }
        let codes = Code::new(&codes);
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (length, times) = match self.bits.symbol(&codes) {
                16 => (lengths[lengths.len() - 1], 3 + self.bits.take(2)),
                17 => (0, 3 + self.bits.take(3)),
                18 => (0, 11 + self.bits.take(7)),
                length => (length, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        let distances = lengths.split_off(literals);
        (lengths, distances)
    }
}

/// §3.2.6.
fn fixed_lengths() -> Vec<usize> {
    [(144, 8), (112, 9), (24, 7), (8, 8)]
        .iter()
        .flat_map(|(count, length)| std::iter::repeat_n(*length, *count))
        .collect()
}
