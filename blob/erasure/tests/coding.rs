//! The code is what its documentation says, and every loss that it must survive, it survives.

mod oracle;

use eggs_erasure::{Codec, CodingError};
use eggs_proto::Scheme;
use expect_test::expect;
use oracle::Field;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use reed_solomon_erasure::galois_8::ReedSolomon;

fn codec(data: usize, parity: usize) -> Codec {
    let scheme = Scheme {
        data: data as u8,
        parity: parity as u8,
    };
    Codec::new(scheme).expect("valid scheme")
}

/// Bytes that look different everywhere.
fn cells(count: usize, length: usize) -> Vec<Vec<u8>> {
    let byte = |cell: usize, at: usize| (cell * 151 + at * 29 + at * at * 7 + 3) as u8;
    (0..count)
        .map(|cell| (0..length).map(|at| byte(cell, at)).collect())
        .collect()
}

fn slices(cells: &[Vec<u8>]) -> Vec<&[u8]> {
    cells.iter().map(Vec::as_slice).collect()
}

fn pick<'a>(stripe: &'a [Vec<u8>], cells: &[usize]) -> Vec<(usize, &'a [u8])> {
    cells.iter().map(|&c| (c, &stripe[c][..])).collect()
}

#[test]
fn the_matrix_is_that_of_the_documentation_for_every_scheme() {
    let field = Field::new();
    for data in 1..=16 {
        for parity in 0..=16 {
            let expected = field.matrix(data, data + parity);
            assert_eq!(
                codec(data, parity).parity_matrix(),
                &expected[data..],
                "{data}+{parity}"
            );
        }
    }
}

/// These bytes are on disks: a change here is a broken format.
#[test]
fn coefficients_and_parity_are_pinned() {
    let codec = codec(10, 4);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut text = String::new();
    for row in codec.parity_matrix() {
        text += &format!("matrix {}\n", hex(row));
    }
    for cell in codec.encode(&slices(&cells(10, 8))).unwrap() {
        text += &format!("parity {}\n", hex(&cell));
    }
    expect![[r#"
        matrix 8196afb8d2c4fee80302
        matrix 9681b8afc4d2e8fe0203
        matrix bfd6620a066fdfb70504
        matrix d6bf0a626f06b7df0405
        parity 196ea0ce4cc9fa83
        parity 830ebd1ce39c5e9e
        parity 7e5cb9e0b3d3a348
        parity 39ea81663b2ab430
    "#]]
    .assert_eq(&text);
}

#[test]
fn parity_is_what_the_library_makes_of_it() {
    for (data, parity) in [(1, 1), (2, 1), (4, 2), (6, 3), (10, 4), (16, 4), (16, 16)] {
        let data_cells = cells(data, 10_000);
        let ours = codec(data, parity).encode(&slices(&data_cells)).unwrap();
        let mut theirs = vec![vec![0; 10_000]; parity];
        let library = ReedSolomon::new(data, parity).unwrap();
        library.encode_sep(&data_cells, &mut theirs).unwrap();
        assert!(ours == theirs, "{data}+{parity}");
    }
}

#[test]
fn one_data_cell_means_copies() {
    let data = cells(1, 5000);
    let codec = codec(1, 3);
    assert_eq!(
        codec.encode(&slices(&data)).unwrap(),
        vec![data[0].clone(); 3]
    );
    let rebuilt = codec.reconstruct(&[(2, &data[0])], &[0, 1, 3]).unwrap();
    assert_eq!(rebuilt, vec![data[0].clone(); 3]);
}

#[test]
fn every_loss_of_small_schemes_is_survived() {
    for data in 1..=5usize {
        for parity in 0..=4usize {
            let (codec, total) = (codec(data, parity), data + parity);
            let mut stripe = cells(data, 37);
            stripe.extend(codec.encode(&slices(&stripe)).unwrap());
            for mask in 0u32..1 << total {
                let have: Vec<usize> = (0..total).filter(|c| mask >> c & 1 == 1).collect();
                let result =
                    codec.reconstruct(&pick(&stripe, &have), &(0..total).collect::<Vec<_>>());
                if have.len() < data {
                    let (given, needed) = (have.len(), data);
                    assert_eq!(result, Err(CodingError::TooFew { given, needed }));
                } else {
                    assert_eq!(result.unwrap(), stripe, "{data}+{parity} from {have:?}");
                }
            }
        }
    }
}

#[test]
fn streaming_in_any_order_and_with_a_short_last_cell_is_the_same() {
    let codec = codec(4, 3);
    let mut data = cells(4, 9000);
    data[3][5000..].fill(0);
    let expected = codec.encode(&slices(&data)).unwrap();
    let mut parity = vec![vec![0; 9000]; 3];
    for cell in [2, 0, 3, 1] {
        let length = if cell == 3 { 5000 } else { 9000 };
        codec
            .add_data(cell, &data[cell][..length], &mut parity)
            .unwrap();
    }
    assert!(parity == expected);
}

#[test]
fn wrong_input_is_refused() {
    let codec = codec(3, 2);
    let (a, b) = ([1u8; 8], [2u8; 9]);
    let length = CodingError::Length { one: 8, other: 9 };
    assert_eq!(codec.encode(&[&a, &a, &b]), Err(length));
    let count = CodingError::Count {
        given: 2,
        expected: 3,
    };
    assert_eq!(codec.encode(&[&a, &a]), Err(count));
    let present = |cells: [usize; 3]| cells.map(|c| (c, &a[..]));
    assert_eq!(
        codec.reconstruct(&present([0, 1, 5]), &[2]),
        Err(CodingError::Cell(5))
    );
    assert_eq!(
        codec.reconstruct(&present([0, 1, 300]), &[2]),
        Err(CodingError::Cell(300))
    );
    assert_eq!(
        codec.reconstruct(&present([0, 1, 2]), &[9]),
        Err(CodingError::Cell(9))
    );
    assert_eq!(
        codec.reconstruct(&present([0, 4, 4]), &[2]),
        Err(CodingError::Twice(4))
    );
    let uneven = [(0, &a[..]), (1, &b[..]), (2, &a[..])];
    assert_eq!(codec.reconstruct(&uneven, &[3]), Err(length));
    let mut parity = vec![vec![0; 8]; 2];
    assert_eq!(
        codec.add_data(3, &a, &mut parity),
        Err(CodingError::Cell(3))
    );
    assert!(codec.add_data(0, &b, &mut parity).is_err());
    for (data, parity) in [(0, 1), (17, 0), (1, 17)] {
        let scheme = Scheme { data, parity };
        assert_eq!(Codec::new(scheme), Err(CodingError::Scheme(scheme)));
    }
}

#[test]
fn nothing_is_coded_into_nothing() {
    let codec = codec(3, 2);
    assert_eq!(
        codec.encode(&[&[], &[], &[]]).unwrap(),
        vec![Vec::<u8>::new(); 2]
    );
    let empty: [(usize, &[u8]); 3] = [(0, &[]), (2, &[]), (4, &[])];
    assert_eq!(
        codec.reconstruct(&empty, &[1]).unwrap(),
        vec![Vec::<u8>::new()]
    );
    assert_eq!(
        codec.reconstruct(&empty, &[]).unwrap(),
        Vec::<Vec<u8>>::new()
    );
    codec
        .add_data(0, &[], &mut [vec![0; 4], vec![0; 4]])
        .unwrap();
}

/// Any scheme, data, and `D` of its cells in any order.
fn stripe() -> impl Strategy<Value = (usize, usize, Vec<Vec<u8>>, Vec<usize>)> {
    (1..=16usize, 0..=16usize, 1..400usize).prop_flat_map(|(data, parity, length)| {
        let cell = prop::collection::vec(any::<u8>(), length);
        let all: Vec<usize> = (0..data + parity).collect();
        (
            Just(data),
            Just(parity),
            prop::collection::vec(cell, data),
            subsequence(all, data).prop_shuffle(),
        )
    })
}

proptest! {
    #[test]
    fn any_cells_give_back_the_stripe_and_any_range_of_it(
        (data, parity, data_cells, have) in stripe(),
        from in any::<Index>(),
        wanted in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let (codec, total) = (codec(data, parity), data + parity);
        let expected = Field::new().stripe(&data_cells, total);
        prop_assert_eq!(&codec.encode(&slices(&data_cells)).unwrap()[..], &expected[data..]);

        let wanted: Vec<usize> = wanted.iter().map(|i| i.index(total)).collect();
        let from = from.index(data_cells[0].len());
        let present: Vec<(usize, &[u8])> =
            have.iter().map(|&c| (c, &expected[c][from..])).collect();
        let rebuilt = codec.reconstruct(&present, &wanted).unwrap();
        let expected: Vec<&[u8]> = wanted.iter().map(|&c| &expected[c][from..]).collect();
        prop_assert_eq!(rebuilt, expected);
    }
}
