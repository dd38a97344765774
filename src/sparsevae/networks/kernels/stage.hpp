// One stage between a large and a small map, for one image at a time: see strided.cpp for the
// names.

#pragma once

#include "product.hpp"

namespace {

constexpr long SIDE = 3, TAPS = SIDE * SIDE;

struct Shape {
    long height, width, channels, small_channels;
    long rows() const { return (height + 1) / 2; }
    long columns() const { return (width + 1) / 2; }
    long positions() const { return rows() * columns(); }
    long large_size() const { return height * width * channels; }
    long small_size() const { return positions() * small_channels; }
    long taps() const { return TAPS * channels; }
    long border_stride() const { return (2 * columns() + 1) * channels; }
};

template <class Visit>
inline void each_weight(const Shape& s, Visit visit) {
    for (long o = 0, index = 0; o < s.small_channels; ++o)
        for (long c = 0; c < s.channels; ++c)
            for (long t = 0; t < TAPS; ++t) visit(o, t * s.channels + c, index++);
}

// A weight in the two orders that the products read, (9 C, S) and (S, 9 C).
struct Weight {
    Matrix by_tap, by_channel;
    Weight(const Shape& s, const float* weight)
        : by_tap(s.taps(), s.small_channels), by_channel(s.small_channels, s.taps()) {
        each_weight(s, [&](long o, long tap, long index) {
            by_tap.row(tap)[o] = by_channel.row(o)[tap] = weight[index];
        });
    }
};

// The room that one thread needs for an image, and the three products. The large map, or its
// gradient, is set first: it lies here in a border of zeros.
struct Stage {
    const Shape s;
    Floats bordered, map;                     // the large map; room for a small one
    std::vector<long> patch_at, position_at;  // where patches and positions start
    Matrix small, patches;

    explicit Stage(const Shape& shape)
        : s(shape), bordered((2 * s.rows() + 1) * s.border_stride()), map(s.small_size()),
          small(s.positions(), s.small_channels), patches(s.positions(), s.taps()) {
        for (long i = 0; i < s.rows(); ++i)
            for (long j = 0; j < s.columns(); ++j) {
                position_at.push_back((i * s.columns() + j) * s.small_channels);
                patch_at.push_back(2 * i * s.border_stride() + 2 * j * s.channels);
            }
    }

    void set_large(const float* values, const float* output = nullptr) {
        const long count = s.width * s.channels;
        for (long row = 0; row < s.height; ++row)
            masked(bordered.data() + (row + 1) * s.border_stride() + s.channels,
                   values + row * count, behind(output, row * count), count);
    }

    // finish(sum, at) makes a value of the map of a sum.
    template <class Finish>
    void small_from_large(const Weight& weight, float* to, Finish finish) {
        const Matrix& right = weight.by_tap;
        const Product product{bordered.data(), patch_at.data(), SIDE, s.border_stride(),
                              SIDE * s.channels, right.row(0), right.stride, small.row(0),
                              small.stride, false};
        if (s.channels == 1) multiply_few<SIDE, SIDE>(s.positions(), s.small_channels, product);
        else multiply<false>(s.positions(), s.small_channels, product);
        for (long m = 0; m < s.positions(); ++m) {
            const float* sums = small.row(m);
            fill(to + position_at[m], s.small_channels,
                 [=](auto at) { return finish(at(sums), at); });
        }
    }

    // Takes the small map from `from`; the large one that was set stays.
    template <class Finish>
    void large_from_small(const float* from, const Weight& weight, float* to, Finish finish) {
        const Matrix& right = weight.by_channel;
        const Product product{from, position_at.data(), 1, 0, s.small_channels, right.row(0),
                              right.stride, patches.row(0), patches.stride, false};
        if (s.channels > 1) {
            multiply<false>(s.positions(), s.taps(), product);
            return overlap<0>(to, finish);
        }
        if (s.small_channels == 16) multiply_few<1, 16>(s.positions(), s.taps(), product);
        else multiply<false>(s.positions(), s.taps(), product);
        overlap<1>(to, finish);  // grey images: no loop over channels
    }

    void add_weight_gradient(const float* from, Matrix& sum) {
        if (small.stride != s.small_channels) {  // the right side of a product is padded
            for (long m = 0; m < s.positions(); ++m)
                copy(small.row(m), from + position_at[m], s.small_channels);
            from = small.row(0);
        }
        Product product{bordered.data(), patch_at.data(), SIDE, s.border_stride(), s.positions(),
                        from, small.stride, sum.row(0), sum.stride, true};
        if (s.channels == 1) return add_few<SIDE, SIDE>(s.small_channels, product);
        product.pieces = 1;
        for (long tap = 0; tap < SIDE; ++tap) {
            product.a = bordered.data() + tap * s.border_stride();
            product.c = sum.row(tap * SIDE * s.channels);
            multiply<true>(SIDE * s.channels, s.small_channels, product);
        }
    }

    // Lays the patches over each other. Each position owns a block of 2x2 pixels, which its own
    // patch and those to the right and below reach.
    template <long FIXED, class Finish>
    void overlap(float* large, Finish finish) const {
        const Floats nothing(patches.stride);
        const long C = FIXED ? FIXED : s.channels, line = s.width * C;
        for (long i = 0; i < s.rows(); ++i)
            for (long j = 0; j < s.columns(); ++j) {
                const bool right = j + 1 < s.columns(), below = i + 1 < s.rows();
                const float* p = patches.row(i * s.columns() + j);
                const float* r = right ? p + patches.stride : nothing.data();
                const float* b = below ? p + s.columns() * patches.stride : nothing.data();
                const float* d = right && below ? b + patches.stride : nothing.data();
                float* to = large + 2 * i * line + 2 * j * C;
                const bool odd_column = 2 * j + 1 < s.width, odd_row = 2 * i + 1 < s.height;
                fill(to, C, [=](auto at) { return finish(at(p + 4 * C), at); });
                if (odd_column)
                    fill(to + C, C, [=](auto at) {
                        return finish(at(p + 5 * C) + at(r + 3 * C), at);
                    });
                if (odd_row)
                    fill(to + line, C, [=](auto at) {
                        return finish(at(p + 7 * C) + at(b + C), at);
                    });
                if (odd_row && odd_column)
                    fill(to + line + C, C, [=](auto at) {
                        return finish(at(p + 8 * C) + at(r + 6 * C) + (at(b + 2 * C) + at(d)), at);
                    });
            }
    }
};

}  // namespace
