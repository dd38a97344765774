// Products of float32 matrices that stay in the cache.

#pragma once

#include "vectors.hpp"

namespace {

struct Matrix {
    Floats values;
    long stride;  // a row is padded with zeros to whole vectors
    Matrix(long rows, long columns)
        : values(rows * whole_vectors(columns)), stride(whole_vectors(columns)) {}
    float* row(long index) { return values.data() + index * stride; }
    const float* row(long index) const { return values.data() + index * stride; }
};

// a . b. Row i of a starts at a + offset[i]; it consists of `pieces` runs of `length` floats that
// lie `piece_stride` apart. Row k of b starts at b + k b_stride, and its columns are padded to
// whole vectors. Transposed, a^T . b: then k, not i, picks the row of a; here the pieces are runs
// of rows, and `b_gap` more floats lie between those of b that belong to two of them.
struct Product {
    const float* a;
    const long* offset;
    long pieces, piece_stride, length;
    const float* b;
    long b_stride, b_gap;
};

// Every function below calls write(i, j, sums) for each row i of the result and each vector of
// its columns, which starts at column j.
template <bool TRANSPOSED, long R, long V, class Write>
inline void tile(const Product& p, long i, long j, Write write) {
    Vector sum[R][V] = {};
    const float *row[R], *b = p.b + j;
    const long* offset = p.offset;
    for (long r = 0; r < R; ++r) row[r] = TRANSPOSED ? p.a + i + r : p.a + p.offset[i + r];
    for (long piece = 0; piece < p.pieces; ++piece, b += p.b_gap) {
        for (long k = 0; k < p.length; ++k, b += p.b_stride) {
            const long at = TRANSPOSED ? *offset++ : piece * p.piece_stride + k;
            Vector right[V];
            for (long v = 0; v < V; ++v) right[v] = load(b + v * LANES);
            for (long r = 0; r < R; ++r)
                for (long v = 0; v < V; ++v) sum[r][v] += row[r][at] * right[v];
        }
    }
    for (long r = 0; r < R; ++r)
        for (long v = 0; v < V; ++v) write(i + r, j + v * LANES, sum[r][v]);
}

// Fewer vectors a row leave registers for more rows.
constexpr long tallest(long vectors) { return std::min(8L, TALL * WIDE / vectors); }

template <bool TRANSPOSED, long V, long R = tallest(V), class Write>
inline void tile_of(long rows, const Product& p, long i, long j, Write write) {
    if constexpr (R > 1)
        if (rows < R) return tile_of<TRANSPOSED, V, R - 1>(rows, p, i, j, write);
    tile<TRANSPOSED, R, V>(p, i, j, write);
}

// Rows are dealt out evenly: 49 rows are 7 tiles of 7, not 6 of 8 and a slow one of 1.
template <bool TRANSPOSED, long V, class Write>
void strip(long rows, const Product& p, long j, Write write) {
    const long tiles = (rows + tallest(V) - 1) / tallest(V);
    for (long t = 0, i = 0; t < tiles; ++t) {
        const long height = (rows - i) / (tiles - t);
        tile_of<TRANSPOSED, V>(height, p, i, j, write);
        i += height;
    }
}

template <bool TRANSPOSED, class Write>
void multiply(long rows, long columns, const Product& p, Write write) {
    const long vectors = whole_vectors(columns) / LANES;
    for (long v = 0; v < vectors;) {
        const long left = vectors - v, width = left / ((left + WIDE - 1) / WIDE);
        if (width == 3) strip<TRANSPOSED, 3>(rows, p, v * LANES, write);
        if (width == 2) strip<TRANSPOSED, 2>(rows, p, v * LANES, write);
        if (width == 1) strip<TRANSPOSED, 1>(rows, p, v * LANES, write);
        v += width;
    }
}

// The same for a row of only PIECES x LENGTH terms: the right side stays in registers.
template <long PIECES, long LENGTH, class Write>
void multiply_few(long rows, long columns, Product p, Write write) {
    for (long j = 0; j < columns; j += LANES) {
        Vector right[PIECES * LENGTH];
        for (long t = 0; t < PIECES * LENGTH; ++t) right[t] = load(p.b + t * p.b_stride + j);
        for (long i = 0; i < rows; ++i) {
            const float* row = p.a + p.offset[i];
            Vector sum = {};
            for (long t = 0; t < PIECES * LENGTH; ++t)
                sum += row[t / LENGTH * p.piece_stride + t % LENGTH] * right[t];
            write(i, j, sum);
        }
    }
}

// a^T . b for rows of a of PIECES x LENGTH terms, `piece_stride` apart: the sums stay in registers.
template <long PIECES, long LENGTH, class Write>
void multiply_few_transposed(long columns, Product p, Write write) {
    for (long j = 0; j < columns; j += LANES) {
        Vector sum[PIECES * LENGTH] = {};
        const float* b = p.b + j;
        const long* offset = p.offset;
        for (long piece = 0; piece < p.pieces; ++piece, b += p.b_gap)
            for (long k = 0; k < p.length; ++k, b += p.b_stride) {
                const float* row = p.a + *offset++;
                const Vector right = load(b);
                for (long t = 0; t < PIECES * LENGTH; ++t)
                    sum[t] += row[t / LENGTH * p.piece_stride + t % LENGTH] * right;
            }
        for (long t = 0; t < PIECES * LENGTH; ++t) write(t, j, sum[t]);
    }
}

}  // namespace
