//! Linear least squares.

/// The coefficients that explain each value by its features, by the normal equations with a little ridge.
pub fn fit<const N: usize>(rows: impl Iterator<Item = ([f64; N], f64)>) -> [f64; N] {
    let mut matrix = [[0.0; N]; N];
    let mut right = [0.0; N];
    for (features, value) in rows {
        for i in 0..N {
            right[i] += features[i] * value;
            (0..N).for_each(|j| matrix[i][j] += features[i] * features[j]);
        }
    }
    (0..N).for_each(|i| matrix[i][i] += 1e-3);
    solve(matrix, right)
}

/// Gaussian elimination without pivoting: the matrix is positive definite.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    for i in 0..N {
        for j in i + 1..N {
            let factor = matrix[j][i] / matrix[i][i];
            (i..N).for_each(|k| matrix[j][k] -= factor * matrix[i][k]);
            right[j] -= factor * right[i];
        }
    }
    for i in (0..N).rev() {
        let known: f64 = (i + 1..N).map(|k| matrix[i][k] * right[k]).sum();
        right[i] = (right[i] - known) / matrix[i][i];
    }
    right
}
