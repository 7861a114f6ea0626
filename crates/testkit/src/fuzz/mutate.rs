//! How bytes are broken: bits, ranges, numbers that lie about lengths, nesting, and parts of other inputs.

/// Numbers that sizes and offsets stumble over.
const NUMBERS: &[u64] =
    &[0, 1, 127, 128, 255, 256, 65_535, 1 << 31, u32::MAX as u64, 1 << 40, 1 << 62, i64::MAX as u64, 1 << 63, u64::MAX];

/// Random numbers and what is made with them.
pub(super) struct Mutator<'a> {
    state: u64,
    tokens: &'a [Vec<u8>],
}

/// A number for a name: FNV-1a.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl<'a> Mutator<'a> {
    pub(super) fn new(seed: u64, tokens: &'a [Vec<u8>]) -> Self {
        Self { state: hash(&seed.to_le_bytes()) | 1, tokens }
    }

    /// xorshift64*.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.random() % bound as u64) as usize }
    }

    /// An input made of those that are known.
    pub(super) fn next(&mut self, population: &[Vec<u8>], bytes_max: usize) -> Vec<u8> {
        let mut bytes = population[self.below(population.len())].clone();
        for _ in 0..1 + self.below(4) {
            let other = &population[self.below(population.len())];
            self.mutate(&mut bytes, other, bytes_max);
        }
        bytes.truncate(bytes_max);
        bytes
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        let most = (length - from).min(1 << self.below(11));
        from..from + self.below(most + 1)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8], bytes_max: usize) {
        let at = self.below(bytes.len() + 1);
        match self.below(14) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (self.random() % 8);
                }
            }
            1 => {
                let value = [0, 1, 0x7f, 0x80, 0xff, b'/', b'.', self.random() as u8][self.below(8)];
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            2 => {
                let new: Vec<u8> = (0..1 + self.below(8)).map(|_| self.random() as u8).collect();
                bytes.splice(at..at, new);
            }
            3 => drop(bytes.drain(self.range(bytes.len()))),
            4 => {
                let copy = bytes[self.range(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => bytes.truncate(at),
            6 => {
                let part = other[self.range(other.len())].to_vec();
                bytes.splice(at..at, part);
            }
            7 => drop(bytes.splice(at.., other[self.below(other.len() + 1)..].to_vec())),
            8 => self.put_token(bytes, at),
            9 => self.put_number(bytes, at),
            10 => self.wrap(bytes),
            11 => self.nest(bytes, bytes_max),
            12 => self.put_digits(bytes),
            _ => {
                let (one, two) = (self.range(bytes.len()), self.range(bytes.len()));
                let (one, two) = (bytes[one].to_vec(), bytes[two].to_vec());
                bytes.splice(at..at, two.into_iter().chain(one));
            }
        }
    }

    fn put_token(&mut self, bytes: &mut Vec<u8>, at: usize) {
        if self.tokens.is_empty() {
            return;
        }
        let token = self.tokens[self.below(self.tokens.len())].clone();
        let over = if self.below(2) == 0 { at } else { (at + token.len()).min(bytes.len()) };
        bytes.splice(at..over, token);
    }

    /// A number in place of the bytes at `at`, as a varint, in four or eight bytes, or one that nearly fits what follows.
    fn put_number(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let left = bytes.len().saturating_sub(at + 1) as u64;
        let number = match self.below(3) {
            0 => left.wrapping_add(self.below(3) as u64).wrapping_sub(1),
            _ => NUMBERS[self.below(NUMBERS.len())],
        };
        let (new, over) = match self.below(4) {
            0 => (number.to_le_bytes().to_vec(), 8),
            1 => ((number as u32).to_be_bytes().to_vec(), 4),
            2 => (number.to_be_bytes().to_vec(), 8),
            _ => (varint(number), 1),
        };
        bytes.splice(at..(at + over).min(bytes.len()), new);
    }

    /// The whole as one field of a message around it.
    fn wrap(&mut self, bytes: &mut Vec<u8>) {
        let field = 1 + self.below(9) as u64;
        let mut around = varint(field << 3 | 2);
        around.extend(varint(bytes.len() as u64));
        around.append(bytes);
        *bytes = around;
    }

    /// The beginning many times over: depth.
    fn nest(&mut self, bytes: &mut Vec<u8>, bytes_max: usize) {
        let head = bytes[..self.below(bytes.len().min(8) + 1)].to_vec();
        let times = (1_usize << self.below(12)).min(bytes_max / head.len().max(1));
        bytes.splice(0..0, head.repeat(times));
    }

    /// Another number in the place of decimal digits.
    fn put_digits(&mut self, bytes: &mut Vec<u8>) {
        let Some(from) = bytes.iter().position(u8::is_ascii_digit) else { return };
        let to = bytes[from..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |at| from + at);
        let number = NUMBERS[self.below(NUMBERS.len())].to_string();
        bytes.splice(from..to, number.into_bytes());
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}
