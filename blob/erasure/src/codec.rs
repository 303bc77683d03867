//! Encoding and rebuilding of a stripe, or of the same range of each of its cells.

use eggs_proto::Scheme;

use crate::CodingError;
use crate::field::{accumulate, coefficient, combine};

/// Codes stripes of one scheme. Cells are numbered `0..D` for data and from `D` for parity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    scheme: Scheme,
    /// A row per parity cell, a column per data cell.
    parity: Vec<Vec<u8>>,
}

impl Codec {
    /// A codec of `scheme`; [`Codec::shared`] spares the few microseconds.
    pub fn new(scheme: Scheme) -> Result<Self, CodingError> {
        if !scheme.is_valid() {
            return Err(CodingError::Scheme(scheme));
        }
        let points: Vec<u8> = (0..scheme.data).collect();
        let row = |p| {
            let wanted = scheme.data + p;
            points
                .iter()
                .map(|&point| coefficient(&points, point, wanted))
                .collect()
        };
        let parity = (0..scheme.parity).map(row).collect();
        Ok(Self { scheme, parity })
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What data cell `column` is multiplied by in parity cell `D + row`: one row per parity cell.
    pub fn parity_matrix(&self) -> &[Vec<u8>] {
        &self.parity
    }

    /// The parity cells of `D` data cells of equal length.
    pub fn encode(&self, data: &[&[u8]]) -> Result<Vec<Vec<u8>>, CodingError> {
        let length = data.first().map_or(0, |cell| cell.len());
        let mut parity = vec![vec![0; length]; self.parity.len()];
        let mut cells: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        self.encode_into(data, &mut cells)?;
        Ok(parity)
    }

    /// As [`Codec::encode`], into buffers of the same length whose content does not matter.
    pub fn encode_into(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), CodingError> {
        check_count(data.len(), self.scheme.data.into())?;
        check_count(parity.len(), self.parity.len())?;
        check_lengths(
            data.iter()
                .map(|c| c.len())
                .chain(parity.iter().map(|c| c.len())),
        )?;
        combine(&self.parity, data, parity);
        Ok(())
    }

    /// Adds what one data cell contributes to the parity cells, which start as zeros: for streaming,
    /// in any order, each cell once. A cell that is shorter than its parity is padded with zeros.
    pub fn add_data<P: AsMut<[u8]>>(
        &self,
        cell: usize,
        bytes: &[u8],
        parity: &mut [P],
    ) -> Result<(), CodingError> {
        if cell >= self.scheme.data.into() {
            return Err(CodingError::Cell(cell));
        }
        check_count(parity.len(), self.parity.len())?;
        for output in parity.iter_mut() {
            let (one, other) = (bytes.len(), output.as_mut().len());
            if one > other {
                return Err(CodingError::Length { one, other });
            }
        }
        let outputs = parity.iter_mut().map(|p| &mut p.as_mut()[..bytes.len()]);
        accumulate(self.parity.iter().map(|row| row[cell]), bytes, outputs);
        Ok(())
    }

    /// The `wanted` cells, in the order asked for, from at least `D` cells of equal length; the
    /// first `D` of them are used.
    pub fn reconstruct(
        &self,
        present: &[(usize, &[u8])],
        wanted: &[usize],
    ) -> Result<Vec<Vec<u8>>, CodingError> {
        let length = present.first().map_or(0, |(_, cell)| cell.len());
        let mut out = vec![vec![0; length]; wanted.len()];
        let mut cells: Vec<(usize, &mut [u8])> = wanted
            .iter()
            .copied()
            .zip(out.iter_mut().map(Vec::as_mut_slice))
            .collect();
        self.reconstruct_into(present, &mut cells)?;
        Ok(out)
    }

    /// As [`Codec::reconstruct`], into buffers of the same length whose content does not matter.
    pub fn reconstruct_into(
        &self,
        present: &[(usize, &[u8])],
        wanted: &mut [(usize, &mut [u8])],
    ) -> Result<(), CodingError> {
        let needed = usize::from(self.scheme.data);
        let used = present.get(..needed).ok_or(CodingError::TooFew {
            given: present.len(),
            needed,
        })?;
        check_lengths(
            used.iter()
                .map(|(_, c)| c.len())
                .chain(wanted.iter().map(|(_, c)| c.len())),
        )?;
        let points = self.points(used.iter().map(|(cell, _)| *cell))?;
        for (at, point) in points.iter().enumerate() {
            if points[..at].contains(point) {
                return Err(CodingError::Twice((*point).into()));
            }
        }
        let wanted_points = self.points(wanted.iter().map(|(cell, _)| *cell))?;
        let rows: Vec<Vec<u8>> = wanted_points
            .iter()
            .map(|&wanted| {
                let column = |&point| coefficient(&points, point, wanted);
                points.iter().map(column).collect()
            })
            .collect();
        let inputs: Vec<&[u8]> = used.iter().map(|(_, bytes)| *bytes).collect();
        let mut outputs: Vec<&mut [u8]> =
            wanted.iter_mut().map(|(_, bytes)| &mut **bytes).collect();
        combine(&rows, &inputs, &mut outputs);
        Ok(())
    }

    /// Cell numbers as field elements.
    fn points(&self, cells: impl Iterator<Item = usize>) -> Result<Vec<u8>, CodingError> {
        cells
            .map(|cell| match u8::try_from(cell) {
                Ok(point) if cell < self.scheme.blocks() => Ok(point),
                Ok(_) | Err(_) => Err(CodingError::Cell(cell)),
            })
            .collect()
    }
}

fn check_count(given: usize, expected: usize) -> Result<(), CodingError> {
    if given == expected {
        Ok(())
    } else {
        Err(CodingError::Count { given, expected })
    }
}

fn check_lengths(mut lengths: impl Iterator<Item = usize>) -> Result<(), CodingError> {
    let Some(one) = lengths.next() else {
        return Ok(());
    };
    match lengths.find(|&other| other != one) {
        None => Ok(()),
        Some(other) => Err(CodingError::Length { one, other }),
    }
}
