// Products of small float32 matrices that stay in the cache, in the vector registers of whatever
// instruction set this is compiled for.

#pragma once

#include <vector>

namespace {

// LANES floats a vector; TALL x WIDE accumulators fill the registers of the instruction set.
#if defined(__AVX512F__)
constexpr long LANES = 16, TALL = 8, WIDE = 3;
#elif defined(__AVX2__)
constexpr long LANES = 8, TALL = 4, WIDE = 3;
#elif defined(__aarch64__)
constexpr long LANES = 4, TALL = 8, WIDE = 3;
#else
constexpr long LANES = 4, TALL = 4, WIDE = 3;
#endif

constexpr long TAPS = 9, PARTS = 16;

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

inline Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }
inline long vectors(long floats) { return (floats + LANES - 1) / LANES; }

struct Matrix {
    std::vector<float> values;
    long rows, stride;  // a row is padded with zeros to whole vectors
    Matrix(long rows, long columns)
        : values(rows * vectors(columns) * LANES), rows(rows), stride(vectors(columns) * LANES) {}
    float* row(long index) { return values.data() + index * stride; }
    const float* row(long index) const { return values.data() + index * stride; }
};

// ---- c (+)= a . b or a^T . b -------------------------------------------------------------------

struct Product {
    const float* a;
    const float* b;
    float* c;
    long a_stride, b_stride, c_stride, depth;
};

template <bool TRANSPOSED, bool ADD, long R, long V>
inline void tile(const Product& p) {
    Vector sum[R][V] = {};
    for (long k = 0; k < p.depth; ++k) {
        Vector right[V];
        for (long v = 0; v < V; ++v) right[v] = load(p.b + k * p.b_stride + v * LANES);
        for (long r = 0; r < R; ++r) {
            const float left = TRANSPOSED ? p.a[k * p.a_stride + r] : p.a[r * p.a_stride + k];
            for (long v = 0; v < V; ++v) sum[r][v] += left * right[v];
        }
    }
    for (long r = 0; r < R; ++r)
        for (long v = 0; v < V; ++v) {
            float* to = p.c + r * p.c_stride + v * LANES;
            store(to, ADD ? load(to) + sum[r][v] : sum[r][v]);
        }
}

template <bool TRANSPOSED, bool ADD, long V, long R = TALL>
inline void tile_of(long rows, const Product& p) {
    if constexpr (R > 1)
        if (rows < R) return tile_of<TRANSPOSED, ADD, V, R - 1>(rows, p);
    tile<TRANSPOSED, ADD, R, V>(p);
}

// Rows are dealt out evenly: 49 rows are 7 tiles of 7, not 6 of 8 and a slow one of 1.
template <bool TRANSPOSED, bool ADD, long V>
void strip(long rows, Product p) {
    for (long tiles = (rows + TALL - 1) / TALL; tiles > 0; --tiles) {
        const long height = rows / tiles;
        tile_of<TRANSPOSED, ADD, V>(height, p);
        p.a += TRANSPOSED ? height : height * p.a_stride;
        p.c += height * p.c_stride;
        rows -= height;
    }
}

template <bool TRANSPOSED, bool ADD>
void multiply(const Matrix& a, const Matrix& b, Matrix& c) {
    Product p{a.row(0), b.row(0), c.row(0), a.stride, b.stride, c.stride, b.rows};
    for (long left = b.stride / LANES; left > 0;) {
        const long width = left / ((left + WIDE - 1) / WIDE);
        if (width == 3) strip<TRANSPOSED, ADD, 3>(c.rows, p);
        if (width == 2) strip<TRANSPOSED, ADD, 2>(c.rows, p);
        if (width == 1) strip<TRANSPOSED, ADD, 1>(c.rows, p);
        p.b += width * LANES;
        p.c += width * LANES;
        left -= width;
    }
}

}  // namespace
