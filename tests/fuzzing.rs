//! The bodies of the fuzz targets, driven without a fuzzer: a deterministic mutator over the
//! requests that the codec's tests have. See `fuzz/README.md`.

#[path = "../fuzz/bodies/chunked.rs"]
mod chunked;
#[path = "../fuzz/bodies/connection.rs"]
mod connection;
#[path = "../http1/tests/corpus/mod.rs"]
mod corpus;
#[path = "../fuzz/bodies/head.rs"]
mod head;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Deterministic numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) as usize % bound.max(1)
    }
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// What hurts a reader of HTTP.
const WORDS: [&[u8]; 14] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"0\r\n\r\n",
    b"chunked",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"ffffffffffffffff",
    b"Expect: 100-continue\r\n",
];

/// Changes a few things, and now and then puts another seed behind.
fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = seeds[random.below(seeds.len())].clone();
    for _ in 0..random.below(5) {
        let at = random.below(data.len());
        match random.below(6) {
            0 if at < data.len() => data[at] = random.below(256) as u8,
            1 if at < data.len() => drop(data.remove(at)),
            2 => data.truncate(at),
            3 => data.extend_from_slice(&seeds[random.below(seeds.len())]),
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                data.splice(at..at, word.iter().copied());
            }
        }
    }
    data
}

/// Runs a body over every seed, then over mutations of them.
fn drive(seeds: &[Vec<u8>], rounds: u64, body: impl Fn(&[u8])) {
    let run = |data: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(data))) {
            eprintln!("the input was b\"{}\"", data.escape_ascii());
            resume_unwind(panic);
        }
    };
    seeds.iter().for_each(|seed| run(seed));
    let mut random = Random(setting("SQUALL_FUZZ_SEED", 1).max(1));
    for _ in 0..setting("SQUALL_FUZZ_ROUNDS", rounds) {
        run(&mutate(seeds, &mut random));
    }
}

/// Two octets that say where to cut, then what `part` makes of each request.
fn seeds(part: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let cut = |(index, request): (usize, corpus::Request)| {
        [vec![index as u8, 9], part(&request.wire)].concat()
    };
    corpus::requests()
        .into_iter()
        .enumerate()
        .map(cut)
        .collect()
}

#[test]
fn heads_of_any_octets() {
    drive(&seeds(<[u8]>::to_vec), 20_000, head::check);
}

#[test]
fn chunks_of_any_octets() {
    let content = |wire: &[u8]| {
        let end = wire.windows(4).position(|four| four == b"\r\n\r\n");
        wire[end.map_or(0, |at| at + 4)..].to_vec()
    };
    drive(&seeds(content), 20_000, chunked::check);
}

#[test]
fn connections_of_any_operations() {
    let operations = |(index, request): (usize, corpus::Request)| {
        let mut operations = connection::as_operations(&request.wire);
        // Each habit of the service, and many ways of the network.
        (operations[0], operations[1]) = (index as u8, (index * 37) as u8);
        operations
    };
    let requests = corpus::requests().into_iter().enumerate();
    let seeds: Vec<_> = requests.map(operations).collect();
    drive(&seeds, 2_000, connection::check);
}
