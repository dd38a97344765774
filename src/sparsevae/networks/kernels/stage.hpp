// One stage between a large and a small map, for one image at a time: see strided.cpp for the
// names.

#pragma once

#include "product.hpp"

namespace {

constexpr long SIDE = 3, TAPS = SIDE * SIDE, PARITIES = 4;

struct Shape {
    long height, width, channels, small_channels;
    long rows() const { return (height + 1) / 2; }
    long columns() const { return (width + 1) / 2; }
    long large_size() const { return height * width * channels; }
    long small_size() const { return rows() * columns() * small_channels; }
    long taps() const { return TAPS * channels; }
    long position() const { return whole_vectors(small_channels); }
};

// Pixels of the large map whose row has the parity a and whose column has the parity b. In each
// direction one position of the small map reaches an even pixel, and the two beside it an odd one:
// the first of them with the last tap, the second with the first.
struct Parity {
    long a, b;
    Parity(long row, long column) : a(row % 2), b(column % 2) {}
    long positions() const { return (a + 1) * (b + 1); }
    long tap(long i, long j) const { return (1 + a - 2 * i) * SIDE + 1 + b - 2 * j; }
};

// A weight in the orders that the products read: (9 C, S), and for each parity (positions S, C).
struct Weight {
    Matrix by_tap;
    std::vector<Matrix> by_parity;

    Weight(const Shape& s, const float* weight) : by_tap(s.taps(), s.small_channels) {
        const auto at = [&](long o, long c, long tap) {
            return weight[(o * s.channels + c) * TAPS + tap];
        };
        for (long tap = 0; tap < TAPS; ++tap)
            for (long c = 0; c < s.channels; ++c)
                for (long o = 0; o < s.small_channels; ++o)
                    by_tap.row(tap * s.channels + c)[o] = at(o, c, tap);
        for (long index = 0; index < PARITIES; ++index) {
            const Parity p(index / 2, index);
            by_parity.emplace_back(p.positions() * s.position(), s.channels);
            for (long place = 0; place < p.positions(); ++place) {
                const long tap = p.tap(place / (p.b + 1), place % (p.b + 1));
                for (long o = 0; o < s.small_channels; ++o)
                    for (long c = 0; c < s.channels; ++c)
                        by_parity[index].row(place * s.position() + o)[c] = at(o, c, tap);
            }
        }
    }
};

// What becomes of a sum: a bias is added, which lies there padded to whole vectors, and a ReLU
// follows. Without a bias the sum stays as it is.
struct Finish {
    const float* bias;
    bool relu;
    Vector operator()(Vector sum, long channel) const {
        if (bias) sum += load(bias + channel);
        return relu ? rectified(sum) : sum;
    }
};

constexpr Finish UNCHANGED{nullptr, false};

// A map of one image with a border of zeros, `all_rows` x `all_columns` with it. A pixel may be
// padded with zeros too, to `pixel` floats.
struct Map {
    const long height, width, channels, pixel, stride, size;
    Floats values;
    std::vector<long> at;  // where its pixels start, row by row

    Map(long height, long width, long channels, long pixel, long border, long all_rows,
        long all_columns)
        : height(height), width(width), channels(channels), pixel(pixel),
          stride(all_columns * pixel), size(all_rows * stride), values(size + LANES * pixel) {
        for (long row = 0; row < height; ++row)
            for (long column = 0; column < width; ++column)
                at.push_back((row + border) * stride + (column + border) * pixel);
    }
    float* start(long row, long column) { return values.data() + at[row * width + column]; }
    const float* start(long row, long column) const {
        return values.data() + at[row * width + column];
    }

    // Values where `output`, if it is given, is positive, and 0 elsewhere.
    void set(const float* from, const float* output = nullptr) {
        each_run([=](float* run, long first, long count) {
            masked(run, from + first, behind(output, first), count);
        });
    }
    void mask(const float* output) {
        each_run([=](float* run, long first, long count) {
            masked(run, run, output + first, count);
        });
    }
    void get(float* to) {
        each_run([=](float* run, long first, long count) { copy(to + first, run, count); });
    }

private:
    // Calls visit(run, first, count) for the runs of floats between which nothing else lies; the
    // map without border and padding holds them from its float `first` on.
    template <class Visit>
    void each_run(Visit visit) {
        const long pixels = pixel == channels ? width : 1, count = pixels * channels;
        for (long i = 0; i < height * width; i += pixels)
            visit(values.data() + at[i], i * channels, count);
    }
};

// The room that one thread needs for an image, and the three products. They take the maps, or
// their gradients, from here; a result becomes a map of this stage or of the next.
struct Stage {
    const Shape s;
    Map large, small;
    std::vector<long> patch_at;         // where the patch of a position starts
    struct Pixels {
        std::vector<long> of, from;     // which pixels, and where what reaches them starts
    } pixels[PARITIES];

    explicit Stage(const Shape& s)
        : s(s), large(s.height, s.width, s.channels, s.channels, 1, 2 * s.rows() + 1,
                      2 * s.columns() + 1),
          small(s.rows(), s.columns(), s.small_channels, s.position(), 0, s.rows() + 1,
                s.columns() + 1) {
        for (long i = 0; i < s.rows(); ++i)
            for (long j = 0; j < s.columns(); ++j)
                patch_at.push_back(2 * i * large.stride + 2 * j * large.pixel);
        for (long row = 0; row < s.height; ++row)
            for (long column = 0; column < s.width; ++column) {
                Pixels& of_parity = pixels[row % 2 * 2 + column % 2];
                of_parity.of.push_back(row * s.width + column);
                of_parity.from.push_back(small.at[row / 2 * s.columns() + column / 2]);
            }
    }

    void small_from_large(const Weight& weight, Map& to, Finish finish) const {
        const Matrix& right = weight.by_tap;
        const Product product{large.values.data(), patch_at.data(), SIDE, large.stride,
                              SIDE * s.channels, right.row(0), right.stride, 0};
        const auto work = [=, values = to.values.data(), at = to.at.data(), rows = to.at.size(),
                           count = s.small_channels](auto whole) {
            const auto write = [=](long i, long j, Vector sum) {
                store_within<whole>(values + at[i], j, count, finish(sum, j));
            };
            if (s.channels == 1) multiply_few<SIDE, SIDE>(rows, count, product, write);
            else multiply<false>(rows, count, product, write);
        };
        if_whole(s.small_channels, work);
    }

    void large_from_small(const Weight& weight, Map& to, Finish finish) const {
        if (s.channels == 1) return grey_from_small(weight.by_tap, to, finish);
        for (long index = 0; index < PARITIES; ++index) {
            const Parity parity(index / 2, index);
            const Matrix& right = weight.by_parity[index];
            const Pixels& of_parity = pixels[index];
            const Product product{small.values.data(), of_parity.from.data(), parity.a + 1,
                                  small.stride, (parity.b + 1) * small.pixel, right.row(0),
                                  right.stride, 0};
            const auto work = [=, values = to.values.data(), at = to.at.data(),
                               of = of_parity.of.data(), rows = of_parity.of.size(),
                               count = s.channels](auto whole) {
                multiply<false>(rows, count, product, [=](long i, long j, Vector sum) {
                    store_within<whole>(values + at[of[i]], j, count, finish(sum, j));
                });
            };
            if_whole(s.channels, work);
        }
    }

    void add_weight_gradient(Matrix& sum) const {
        Product product{large.values.data(), patch_at.data(), s.rows(), large.stride, s.columns(),
                        small.values.data(), small.pixel, small.pixel};
        const auto add_to = [&sum](long first) {
            return [to = sum.row(first), stride = sum.stride](long i, long j, Vector values) {
                float* at = to + i * stride + j;
                store(at, load(at) + values);
            };
        };
        if (s.channels == 1)
            return multiply_few_transposed<SIDE, SIDE>(s.small_channels, product, add_to(0));
        for (long row = 0; row < SIDE; ++row, product.a += large.stride)
            multiply<true>(SIDE * s.channels, s.small_channels, product,
                           add_to(row * SIDE * s.channels));
    }

private:
    // Of a single channel no vector can be made: the sums are taken over the small map's channels,
    // a vector of them for each of LANES pixels, and added up together. Behind the last pixel of
    // a row there is something to read, of which nothing is kept.
    void grey_from_small(const Matrix& by_tap, Map& to, Finish finish) const {
        for (long index = 0; index < PARITIES; ++index)
            for (long row = index / 2; row < s.height; row += 2)
                for (long column = index % 2; column < s.width; column += 2 * LANES)
                    store_apart(to.start(row, column), 2 * to.pixel, (s.width - column + 1) / 2,
                                finish(grey_pixels(by_tap, row, column), 0));
    }

    // LANES pixels of a row, from a column on every other one.
    Vector grey_pixels(const Matrix& by_tap, long row, long column) const {
        const Parity parity(row, column);
        const float* from = small.start(row / 2, column / 2);
        Vector sum[LANES] = {};
        for (long i = 0; i <= parity.a; ++i)
            for (long j = 0; j <= parity.b; ++j)
                for (long o = 0; o < small.pixel; o += LANES) {
                    const Vector right = load(by_tap.row(parity.tap(i, j)) + o);
                    const float* left = from + i * small.stride + j * small.pixel + o;
                    for (long r = 0; r < LANES; ++r, left += small.pixel)
                        sum[r] += load(left) * right;
                }
        return totals(sum);
    }
};

}  // namespace
