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

// c (+)= a . b. The columns of b and c are padded to whole vectors. Row i of a starts at
// a + offset[i]; it consists of `pieces` runs of `length` floats that lie `piece_stride` apart.
// Transposed, c (+)= a^T . b: then k, not i, picks the row of a, and there is one piece.
struct Product {
    const float* a;
    const long* offset;
    long pieces, piece_stride, length;
    const float* b;
    long b_stride;
    float* c;
    long c_stride;
    bool add;
};

template <bool TRANSPOSED, long R, long V>
inline void tile(const Product& p) {
    Vector sum[R][V] = {};
    const float *row[R], *b = p.b;
    for (long r = 0; r < R; ++r) row[r] = TRANSPOSED ? p.a + r : p.a + p.offset[r];
    for (long piece = 0; piece < p.pieces; ++piece) {
        for (long k = 0; k < p.length; ++k, b += p.b_stride) {
            const long at = TRANSPOSED ? p.offset[k] : piece * p.piece_stride + k;
            Vector right[V];
            for (long v = 0; v < V; ++v) right[v] = load(b + v * LANES);
            for (long r = 0; r < R; ++r)
                for (long v = 0; v < V; ++v) sum[r][v] += row[r][at] * right[v];
        }
    }
    for (long r = 0; r < R; ++r)
        for (long v = 0; v < V; ++v) {
            float* to = p.c + r * p.c_stride + v * LANES;
            store(to, p.add ? load(to) + sum[r][v] : sum[r][v]);
        }
}

// Fewer vectors a row leave registers for more rows.
constexpr long tallest(long vectors) { return std::min(8L, TALL * WIDE / vectors); }

template <bool TRANSPOSED, long V, long R = tallest(V)>
inline void tile_of(long rows, const Product& p) {
    if constexpr (R > 1)
        if (rows < R) return tile_of<TRANSPOSED, V, R - 1>(rows, p);
    tile<TRANSPOSED, R, V>(p);
}

// Rows are dealt out evenly: 49 rows are 7 tiles of 7, not 6 of 8 and a slow one of 1.
template <bool TRANSPOSED, long V>
void strip(long rows, Product p) {
    for (long tiles = (rows + tallest(V) - 1) / tallest(V); tiles > 0; --tiles) {
        const long height = rows / tiles;
        tile_of<TRANSPOSED, V>(height, p);
        if (TRANSPOSED) p.a += height;
        else p.offset += height;
        p.c += height * p.c_stride;
        rows -= height;
    }
}

template <bool TRANSPOSED>
void multiply(long rows, long columns, Product p) {
    for (long left = whole_vectors(columns) / LANES; left > 0;) {
        const long width = left / ((left + WIDE - 1) / WIDE);
        if (width == 3) strip<TRANSPOSED, 3>(rows, p);
        if (width == 2) strip<TRANSPOSED, 2>(rows, p);
        if (width == 1) strip<TRANSPOSED, 1>(rows, p);
        p.b += width * LANES;
        p.c += width * LANES;
        left -= width;
    }
}

// The same for a row of only PIECES x LENGTH terms: the right side stays in registers.
template <long PIECES, long LENGTH>
void multiply_few(long rows, long columns, const Product& p) {
    for (long v = 0; v < columns; v += LANES) {
        Vector right[PIECES * LENGTH];
        for (long t = 0; t < PIECES * LENGTH; ++t) right[t] = load(p.b + t * p.b_stride + v);
        for (long i = 0; i < rows; ++i) {
            const float* row = p.a + p.offset[i];
            Vector sum = {};
            for (long t = 0; t < PIECES * LENGTH; ++t)
                sum += row[t / LENGTH * p.piece_stride + t % LENGTH] * right[t];
            store(p.c + i * p.c_stride + v, sum);
        }
    }
}

// c += a^T . b for `length` such rows: the sums stay in registers.
template <long PIECES, long LENGTH>
void add_few(long columns, const Product& p) {
    for (long v = 0; v < columns; v += LANES) {
        Vector sum[PIECES * LENGTH];
        for (long t = 0; t < PIECES * LENGTH; ++t) sum[t] = load(p.c + t * p.c_stride + v);
        for (long k = 0; k < p.length; ++k) {
            const float* row = p.a + p.offset[k];
            const Vector right = load(p.b + k * p.b_stride + v);
            for (long t = 0; t < PIECES * LENGTH; ++t)
                sum[t] += row[t / LENGTH * p.piece_stride + t % LENGTH] * right;
        }
        for (long t = 0; t < PIECES * LENGTH; ++t) store(p.c + t * p.c_stride + v, sum[t]);
    }
}

}  // namespace
