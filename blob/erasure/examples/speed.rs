//! Bytes of data coded per second, one thread.
//!
//! `cargo run --release -p eggs-erasure --example speed`

use std::time::Instant;

use eggs_erasure::Codec;
use eggs_proto::Scheme;

const ROUNDS: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (data, parity) in [(4, 2), (10, 4), (16, 4)] {
        for length in [4 << 10, 64 << 10, 1 << 20] {
            measure(Scheme { data, parity }, length)?;
        }
    }
    Ok(())
}

fn measure(scheme: Scheme, length: usize) -> Result<(), Box<dyn std::error::Error>> {
    let codec = Codec::shared(scheme)?;
    let cells: Vec<Vec<u8>> = (0..scheme.blocks())
        .map(|c| vec![c as u8 + 1; length])
        .collect();
    let data: Vec<&[u8]> = cells[..scheme.data.into()]
        .iter()
        .map(Vec::as_slice)
        .collect();
    let mut out = vec![vec![0; length]; scheme.parity.into()];
    let rounds = ROUNDS * (1 << 20) / length;
    let rate = |start: Instant| {
        (rounds * length * data.len()) as f64 / start.elapsed().as_secs_f64() / 1e9
    };

    let start = Instant::now();
    for _ in 0..rounds {
        let mut parity: Vec<&mut [u8]> = out.iter_mut().map(Vec::as_mut_slice).collect();
        codec.encode_into(&data, &mut parity)?;
    }
    print!(
        "{scheme}, cells of {length}: encode {:.1} GB/s",
        rate(start)
    );
    for lost in [1, usize::from(scheme.parity)] {
        let present: Vec<(usize, &[u8])> = (lost..scheme.blocks())
            .map(|c| (c, &cells[c][..]))
            .collect();
        let start = Instant::now();
        for _ in 0..rounds {
            let mut wanted: Vec<(usize, &mut [u8])> = out[..lost]
                .iter_mut()
                .map(Vec::as_mut_slice)
                .enumerate()
                .collect();
            codec.reconstruct_into(&present, &mut wanted)?;
        }
        print!(", rebuild {lost}: {:.1}", rate(start));
    }
    println!();
    Ok(())
}
