// Linear layers y = relu(x . W + b), forward and backward, for float32 arrays: x (batch, inputs),
// y (batch, outputs). The weight lies in memory as (outputs, inputs), or as (inputs, outputs)
// when `inputs_first` is set. The bias has `channels` values, repeated along the outputs.
//
// The result of each of the three products is computed in strips of columns. The strip of the
// right-hand matrix is packed into a panel first, so that it is read in order from the cache; the
// threads share the strips, so the result does not depend on their number.

#include <memory>

#include "product.hpp"
#include "threads.hpp"

namespace {

struct Sizes {
    long batch, inputs, outputs, channels, inputs_first;
};

// Sums are taken in blocks: the panel's part stays in the nearest cache, and a long sum of
// rounded numbers is less exact than a short sum of short sums.
constexpr long STRIP = WIDE * LANES, BLOCK = 128;

// rows x columns of a . b, or of a^T . b. pack(panel, first, width) provides the columns of b,
// write(row, first, width, sums) takes a row of the strip.
template <bool TRANSPOSED, class Pack, class Write>
void by_strips(long rows, long columns, long depth, const float* a, long a_stride, long threads,
               Pack pack, Write write) {
    std::vector<long> offset;
    for (long i = 0; i < (TRANSPOSED ? depth : rows); ++i) offset.push_back(i * a_stride);
    share((columns + STRIP - 1) / STRIP, threads, [&](long begin, long end) {
        Matrix panel(depth, STRIP), sums(rows, STRIP);
        for (long first = begin * STRIP; first < std::min(end * STRIP, columns); first += STRIP) {
            const long width = std::min(STRIP, columns - first);
            pack(panel, first, width);
            for (long from = 0; from < depth; from += BLOCK) {
                const Product product{TRANSPOSED ? a : a + from,
                                      offset.data() + (TRANSPOSED ? from : 0), 1, 0,
                                      std::min(BLOCK, depth - from), panel.row(from), STRIP,
                                      sums.row(0), STRIP, from > 0};
                multiply<TRANSPOSED>(rows, width, product);
            }
            for (long r = 0; r < rows; ++r) write(r, first, width, sums.row(r));
        }
    });
}

// Packs columns of a matrix that has `rows` rows, or columns of the transpose of one that has
// `rows` columns.
auto columns_of(const float* matrix, long rows, long stride, bool transposed = false) {
    return [=](Matrix& panel, long first, long width) {
        if (!transposed)
            for (long k = 0; k < rows; ++k) copy(panel.row(k), matrix + k * stride + first, width);
        else
            for (long from = 0; from < rows; from += LANES)  // a block stays in the cache
                for (long n = 0; n < width; ++n)
                    for (long k = from; k < std::min(from + LANES, rows); ++k)
                        panel.row(k)[n] = matrix[(first + n) * stride + k];
    };
}

auto rows_to(float* matrix, long stride) {
    return [=](long row, long first, long width, const float* sums) {
        copy(matrix + row * stride + first, sums, width);
    };
}

}  // namespace

extern "C" {

void sparsevae_linear(const Sizes* sizes, long threads, const float* x, const float* weight,
                      const float* bias, bool relu, float* y) {
    const Sizes s = *sizes;
    Floats repeated(s.outputs);
    for (long i = 0; i < s.outputs; ++i) repeated.data()[i] = bias[i % s.channels];
    const auto write = [=, added = repeated.data()](long row, long first, long width,
                                                    const float* sums) {
        fill(y + row * s.outputs + first, width, [=](auto at) {
            const auto value = at(sums) + at(added + first);
            return relu ? rectified(value) : value;
        });
    };
    const long stride = s.inputs_first ? s.outputs : s.inputs;
    by_strips<false>(s.batch, s.outputs, s.inputs, x, s.inputs, threads,
                     columns_of(weight, s.inputs, stride, !s.inputs_first), write);
}

// `y` is null if no ReLU followed; `x_gradient` may be null: then it is not computed.
void sparsevae_linear_backward(const Sizes* sizes, long threads, const float* x,
                               const float* weight, const float* y, const float* gradient,
                               float* x_gradient, float* weight_gradient, float* bias_gradient) {
    const Sizes s = *sizes;
    std::unique_ptr<float[]> without_relu;
    if (y) {
        without_relu.reset(new float[s.batch * s.outputs]);
        masked(without_relu.get(), gradient, y, s.batch * s.outputs);
        gradient = without_relu.get();
    }
    BiasGradient bias(s.channels);
    bias.add_pixels(gradient, s.batch * s.outputs);
    bias.write(bias_gradient);
    const auto x_columns = columns_of(x, s.batch, s.inputs);
    const auto gradient_columns = columns_of(gradient, s.batch, s.outputs);
    if (s.inputs_first)
        by_strips<true>(s.inputs, s.outputs, s.batch, x, s.inputs, threads, gradient_columns,
                        rows_to(weight_gradient, s.outputs));
    else
        by_strips<true>(s.outputs, s.inputs, s.batch, gradient, s.outputs, threads, x_columns,
                        rows_to(weight_gradient, s.inputs));
    if (!x_gradient) return;
    const long stride = s.inputs_first ? s.outputs : s.inputs;
    by_strips<false>(s.batch, s.inputs, s.outputs, gradient, s.outputs, threads,
                     columns_of(weight, s.outputs, stride, s.inputs_first),
                     rows_to(x_gradient, s.inputs));
}

}  // extern "C"
