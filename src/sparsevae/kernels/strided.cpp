// Convolutions with a 3x3 kernel, stride 2 and padding 1, and their transposes, forward and
// backward, for float32 arrays in channels-last order.
//
// Four names carry the file. A convolution halves a *large* map (H, W, C) to a *small* one
// (h, w, S), h = ceil(H / 2); a transposed convolution goes the other way. Both have a weight of
// shape (S, C, 3, 3). *Columns* are the 3x3 patches of a large map, one row for each position of
// the small map: (h w, 9 C), channels innermost. Everything is then a product of small matrices
// that stay in the cache:
//
//     small    = columns(large) . W        forward of one, input gradient of the other
//     large    = scatter(small . W^T)      the reverse
//     gradient = columns(large)^T . small  of the weight
//
// The batch is always cut into the same parts and partial sums are added in the same order, so
// the result does not depend on the number of threads.

#include <algorithm>
#include <thread>
#include <vector>

#include "matrices.hpp"

namespace {

// ---- maps, columns and weights -----------------------------------------------------------------

struct Shape {
    long batch, height, width, channels, small_channels;
    long rows() const { return (height + 1) / 2; }
    long columns() const { return (width + 1) / 2; }
    long positions() const { return rows() * columns(); }
    long large_size() const { return height * width * channels; }
    long small_size() const { return positions() * small_channels; }
    long taps() const { return TAPS * channels; }
};

inline void copy(float* to, const float* from, long count) {
    for (; count >= LANES; count -= LANES, to += LANES, from += LANES) store(to, load(from));
    for (long i = 0; i < count; ++i) to[i] = from[i];
}

inline void add(float* to, const float* from, long count) {
    for (; count >= LANES; count -= LANES, to += LANES, from += LANES)
        store(to, load(to) + load(from));
    for (long i = 0; i < count; ++i) to[i] += from[i];
}

// Calls visit(column, large, count) for each run of neighbouring taps that lies inside the map:
// offset in the columns, offset in the large map, number of floats.
template <class Visit>
inline void each_run(const Shape& s, long stride, Visit visit) {
    for (long i = 0; i < s.rows(); ++i)
        for (long j = 0; j < s.columns(); ++j)
            for (long tap = 0; tap < 3; ++tap) {
                const long row = 2 * i - 1 + tap, first = std::max(2 * j - 1, 0L);
                const long last = std::min(2 * j + 2, s.width);
                if (row < 0 || row >= s.height) continue;
                const long column = (i * s.columns() + j) * stride
                    + (3 * tap + first - (2 * j - 1)) * s.channels;
                visit(column, (row * s.width + first) * s.channels, (last - first) * s.channels);
            }
}

// Taps outside the map are never written: they keep the zeros of the fresh matrix.
void gather(const Shape& s, const float* large, Matrix& columns) {
    float* to = columns.row(0);
    each_run(s, columns.stride, [=](long column, long from, long count) {
        copy(to + column, large + from, count);
    });
}

void scatter(const Shape& s, const Matrix& columns, float* large) {
    const float* from = columns.row(0);
    each_run(s, columns.stride, [=](long column, long to, long count) {
        add(large + to, from + column, count);
    });
}

Matrix weight_by_tap(const Shape& s, const float* weight) {  // (9 C, S)
    Matrix packed(s.taps(), s.small_channels);
    for (long o = 0; o < s.small_channels; ++o)
        for (long c = 0; c < s.channels; ++c)
            for (long t = 0; t < TAPS; ++t)
                packed.row(t * s.channels + c)[o] = *weight++;
    return packed;
}

Matrix weight_by_channel(const Shape& s, const float* weight) {  // (S, 9 C)
    Matrix packed(s.small_channels, s.taps());
    for (long o = 0; o < s.small_channels; ++o)
        for (long c = 0; c < s.channels; ++c)
            for (long t = 0; t < TAPS; ++t)
                packed.row(o)[t * s.channels + c] = *weight++;
    return packed;
}

// ---- bias and ReLU -----------------------------------------------------------------------------

// Comparisons are written so that a NaN passes through, as it does in torch.
inline float rectified(float value) { return value < 0 ? 0 : value; }

// output == nullptr: no ReLU followed, the gradient passes as it is.
void masked_gradient(const float* gradient, const float* output, long count, float* to) {
    if (!output) return copy(to, gradient, count);
    for (long i = 0; i < count; ++i) to[i] = output[i] <= 0 ? 0 : gradient[i];
}

void add_rows(const float* values, long rows, long channels, float* sum) {
    for (long r = 0; r < rows; ++r)
        for (long c = 0; c < channels; ++c) sum[c] += values[r * channels + c];
}

// ---- the batch ---------------------------------------------------------------------------------

template <class Work>
void each_part(long batch, long threads, Work work) {
    const auto every = [=](long first) {
        for (long part = first; part < PARTS; part += threads)
            work(part, batch * part / PARTS, batch * (part + 1) / PARTS);
    };
    std::vector<std::thread> others;
    for (long t = 1; t < threads; ++t) others.emplace_back(every, t);
    every(0);
    for (auto& other : others) other.join();
}

// One sum for each part of the batch: gradient of the weight by tap, and of the bias.
struct Gradients {
    std::vector<Matrix> weight, bias;
    Gradients(const Shape& s, long outputs)
        : weight(PARTS, Matrix(s.taps(), s.small_channels)), bias(PARTS, Matrix(1, outputs)) {}

    void write(const Shape& s, long outputs, float* weight_to, float* bias_to) {
        for (long part = 1; part < PARTS; ++part) {
            add(weight[0].row(0), weight[part].row(0), weight[0].values.size());
            add(bias[0].row(0), bias[part].row(0), outputs);
        }
        copy(bias_to, bias[0].row(0), outputs);
        for (long o = 0; o < s.small_channels; ++o)
            for (long c = 0; c < s.channels; ++c)
                for (long t = 0; t < TAPS; ++t)
                    *weight_to++ = weight[0].row(t * s.channels + c)[o];
    }
};

}  // namespace

extern "C" {

void sparsevae_convolution(const Shape* shape, long threads, const float* large,
                           const float* weight, const float* bias, bool relu, float* small) {
    const Shape s = *shape;
    const Matrix by_tap = weight_by_tap(s, weight);
    each_part(s.batch, threads, [&](long, long first, long last) {
        Matrix columns(s.positions(), s.taps()), sums(s.positions(), s.small_channels);
        for (long n = first; n < last; ++n) {
            gather(s, large + n * s.large_size(), columns);
            multiply<false, false>(columns, by_tap, sums);
            float* to = small + n * s.small_size();
            for (long m = 0; m < s.positions(); ++m)
                for (long o = 0; o < s.small_channels; ++o) {
                    const float value = sums.row(m)[o] + bias[o];
                    *to++ = relu ? rectified(value) : value;
                }
        }
    });
}

// `large_gradient` may be null: then it is not computed.
void sparsevae_convolution_backward(const Shape* shape, long threads, const float* large,
                                    const float* weight, const float* output,
                                    const float* gradient, float* large_gradient,
                                    float* weight_gradient, float* bias_gradient) {
    const Shape s = *shape;
    const Matrix by_channel = weight_by_channel(s, weight);
    Gradients sums(s, s.small_channels);
    each_part(s.batch, threads, [&](long part, long first, long last) {
        Matrix columns(s.positions(), s.taps()), small(s.positions(), s.small_channels);
        Matrix spread(s.positions(), s.taps());
        for (long n = first; n < last; ++n) {
            for (long m = 0; m < s.positions(); ++m) {
                const long from = n * s.small_size() + m * s.small_channels;
                masked_gradient(gradient + from, output ? output + from : nullptr,
                                s.small_channels, small.row(m));
            }
            add_rows(small.row(0), s.positions(), small.stride, sums.bias[part].row(0));
            gather(s, large + n * s.large_size(), columns);
            multiply<true, true>(columns, small, sums.weight[part]);
            if (!large_gradient) continue;
            multiply<false, false>(small, by_channel, spread);
            float* to = large_gradient + n * s.large_size();
            std::fill(to, to + s.large_size(), 0.0f);
            scatter(s, spread, to);
        }
    });
    sums.write(s, s.small_channels, weight_gradient, bias_gradient);
}

void sparsevae_transposed_convolution(const Shape* shape, long threads, const float* small,
                                      const float* weight, const float* bias, bool relu,
                                      float* large) {
    const Shape s = *shape;
    const Matrix by_channel = weight_by_channel(s, weight);
    each_part(s.batch, threads, [&](long, long first, long last) {
        Matrix spread(s.positions(), s.taps()), rows(s.positions(), s.small_channels);
        for (long n = first; n < last; ++n) {
            for (long m = 0; m < s.positions(); ++m)
                copy(rows.row(m), small + n * s.small_size() + m * s.small_channels,
                     s.small_channels);
            multiply<false, false>(rows, by_channel, spread);
            float* to = large + n * s.large_size();
            for (long m = 0; m < s.large_size(); m += s.channels)
                copy(to + m, bias, s.channels);
            scatter(s, spread, to);
            if (relu)
                for (long i = 0; i < s.large_size(); ++i) to[i] = rectified(to[i]);
        }
    });
}

void sparsevae_transposed_convolution_backward(const Shape* shape, long threads,
                                               const float* small, const float* weight,
                                               const float* output, const float* gradient,
                                               float* small_gradient, float* weight_gradient,
                                               float* bias_gradient) {
    const Shape s = *shape;
    const Matrix by_tap = weight_by_tap(s, weight);
    Gradients sums(s, s.channels);
    each_part(s.batch, threads, [&](long part, long first, long last) {
        Matrix columns(s.positions(), s.taps()), rows(s.positions(), s.small_channels);
        Matrix results(s.positions(), s.small_channels), large(1, s.large_size());
        for (long n = first; n < last; ++n) {
            const long from = n * s.large_size();
            masked_gradient(gradient + from, output ? output + from : nullptr, s.large_size(),
                            large.row(0));
            add_rows(large.row(0), s.height * s.width, s.channels, sums.bias[part].row(0));
            gather(s, large.row(0), columns);
            for (long m = 0; m < s.positions(); ++m)
                copy(rows.row(m), small + n * s.small_size() + m * s.small_channels,
                     s.small_channels);
            multiply<true, true>(columns, rows, sums.weight[part]);
            if (!small_gradient) continue;
            multiply<false, false>(columns, by_tap, results);
            for (long m = 0; m < s.positions(); ++m)
                copy(small_gradient + n * s.small_size() + m * s.small_channels, results.row(m),
                     s.small_channels);
        }
    });
    sums.write(s, s.channels, weight_gradient, bias_gradient);
}

}  // extern "C"
