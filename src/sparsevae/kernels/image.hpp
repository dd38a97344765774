// One image between a large and a small map: see strided.cpp for the names.

#pragma once

#include "product.hpp"

namespace {

constexpr long TAPS = 9;

struct Shape {
    long batch, height, width, channels, small_channels;
    long rows() const { return (height + 1) / 2; }
    long columns() const { return (width + 1) / 2; }
    long positions() const { return rows() * columns(); }
    long large_size() const { return height * width * channels; }
    long small_size() const { return positions() * small_channels; }
    long taps() const { return TAPS * channels; }
    long border_stride() const { return (2 * columns() + 1) * channels; }
};

inline const float* behind(const float* array, long offset) {
    return array ? array + offset : nullptr;
}

template <class Visit>
inline void each_weight(const Shape& s, Visit visit) {
    for (long o = 0, index = 0; o < s.small_channels; ++o)
        for (long c = 0; c < s.channels; ++c)
            for (long t = 0; t < TAPS; ++t) visit(o, t * s.channels + c, index++);
}

Matrix weight_by_tap(const Shape& s, const float* weight) {  // (9 C, S)
    Matrix packed(s.taps(), s.small_channels);
    each_weight(s, [&](long o, long tap, long index) { packed.row(tap)[o] = weight[index]; });
    return packed;
}

Matrix weight_by_channel(const Shape& s, const float* weight) {  // (S, 9 C)
    Matrix packed(s.small_channels, s.taps());
    each_weight(s, [&](long o, long tap, long index) { packed.row(o)[tap] = weight[index]; });
    return packed;
}

// The room that one thread needs for an image, and the three products.
struct Image {
    const Shape s;
    Floats bordered, without_relu;            // large map in a border of zeros; small map
    std::vector<long> patch_at, position_at;  // where patches and positions start
    Matrix small, patches;

    explicit Image(const Shape& shape)
        : s(shape), bordered((2 * s.rows() + 1) * s.border_stride()),
          without_relu(s.small_size()), small(s.positions(), s.small_channels),
          patches(s.positions(), s.taps()) {
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

    const float* masked_small(const float* gradient, const float* output) {
        if (!output) return gradient;
        masked(without_relu.data(), gradient, output, s.small_size());
        return without_relu.data();
    }

    template <class Finish>
    void copy_small(float* map, Finish finish) const {
        for (long m = 0; m < s.positions(); ++m) {
            const float* sums = small.row(m);
            fill(map + position_at[m], s.small_channels,
                 [=](auto at) { return finish(at(sums), at); });
        }
    }

    void small_from_large(const Matrix& by_tap) {
        multiply<false>(s.positions(), s.small_channels,
            {bordered.data(), patch_at.data(), 3, s.border_stride(), 3 * s.channels,
             by_tap.row(0), by_tap.stride, small.row(0), small.stride, false});
    }

    void patches_from_small(const float* map, const Matrix& by_channel) {
        multiply<false>(s.positions(), s.taps(),
            {map, position_at.data(), 1, 0, s.small_channels, by_channel.row(0),
             by_channel.stride, patches.row(0), patches.stride, false});
    }

    void add_weight_gradient(const float* map, Matrix& sum) {
        if (small.stride != s.small_channels) {  // the right side of a product is padded
            for (long m = 0; m < s.positions(); ++m)
                copy(small.row(m), map + position_at[m], s.small_channels);
            map = small.row(0);
        }
        for (long tap = 0; tap < 3; ++tap)
            multiply<true>(3 * s.channels, s.small_channels,
                {bordered.data() + tap * s.border_stride(), patch_at.data(), 1, 0, s.positions(),
                 map, small.stride, sum.row(3 * tap * s.channels), sum.stride, true});
    }

    // Lays the patches over each other; finish(sum, at) adds what is to be added.
    template <class Finish>
    void overlap(float* large, Finish finish) const {
        if (s.channels == 1) overlap_of<1>(large, finish);  // grey images: no loop over channels
        else overlap_of<0>(large, finish);
    }

    // Each position owns a block of 2x2 pixels, which its own patch and those to the right and
    // below reach.
    template <long FIXED, class Finish>
    void overlap_of(float* large, Finish finish) const {
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
