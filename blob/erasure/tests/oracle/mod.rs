//! The same code by other means: log tables built bit by bit, the Vandermonde matrix, elimination.

pub struct Field {
    log: [usize; 256],
    exp: [u8; 510],
}

impl Field {
    pub fn new() -> Self {
        let (mut log, mut exp, mut x) = ([0; 256], [0; 510], 1u16);
        for i in 0..255 {
            exp[i] = x as u8;
            exp[i + 255] = x as u8;
            log[x as usize] = i;
            x <<= 1;
            if x & 0x100 != 0 {
                x ^= 0x11d;
            }
        }
        Self { log, exp }
    }

    pub fn mul(&self, a: u8, b: u8) -> u8 {
        if a == 0 || b == 0 {
            return 0;
        }
        self.exp[self.log[a as usize] + self.log[b as usize]]
    }

    fn inverse(&self, a: u8) -> u8 {
        assert_ne!(a, 0);
        self.exp[255 - self.log[a as usize]]
    }

    fn power(&self, a: u8, n: usize) -> u8 {
        (0..n).fold(1, |product, _| self.mul(product, a))
    }

    fn multiply(&self, a: &[Vec<u8>], b: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let cell = |row: &Vec<u8>, c: usize| {
            (0..b.len()).fold(0, |sum, k| sum ^ self.mul(row[k], b[k][c]))
        };
        let columns = b[0].len();
        a.iter()
            .map(|row| (0..columns).map(|c| cell(row, c)).collect())
            .collect()
    }

    /// By elimination, with the identity at its right.
    fn invert(&self, matrix: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let n = matrix.len();
        let mut work: Vec<Vec<u8>> = matrix.to_vec();
        for (r, row) in work.iter_mut().enumerate() {
            row.extend((0..n).map(|c| u8::from(c == r)));
        }
        for d in 0..n {
            let pivot = (d..n).find(|&r| work[r][d] != 0).expect("invertible");
            work.swap(d, pivot);
            let scale = self.inverse(work[d][d]);
            work[d].iter_mut().for_each(|x| *x = self.mul(*x, scale));
            let pivot_row = work[d].clone();
            for (r, row) in work.iter_mut().enumerate() {
                let factor = row[d];
                if r != d {
                    let columns = row.iter_mut().zip(&pivot_row);
                    columns.for_each(|(x, p)| *x ^= self.mul(factor, *p));
                }
            }
        }
        work.iter().map(|row| row[n..].to_vec()).collect()
    }

    /// `V · inverse(V[0..D])`, all rows.
    pub fn matrix(&self, data: usize, total: usize) -> Vec<Vec<u8>> {
        let v: Vec<Vec<u8>> = (0..total)
            .map(|r| (0..data).map(|c| self.power(r as u8, c)).collect())
            .collect();
        self.multiply(&v, &self.invert(&v[..data]))
    }

    /// All cells of a stripe, from its data cells.
    pub fn stripe(&self, data: &[Vec<u8>], total: usize) -> Vec<Vec<u8>> {
        self.multiply(&self.matrix(data.len(), total), data)
    }
}
