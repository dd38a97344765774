// Linear layers y = relu(x . W^T + b), forward and backward, for float32 arrays:
// x (batch, inputs), W (outputs, inputs), y (batch, outputs).
//
// The result of each of the three products is computed in strips of columns. The strip of the
// right-hand matrix is packed into a panel first, so that it is read in order from the cache; no
// sum is ever split, so the result does not depend on the number of threads.

#include <memory>

#include "product.hpp"

namespace {

struct Sizes {
    long batch, inputs, outputs;
};

constexpr long STRIP = WIDE * LANES;

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
            multiply<TRANSPOSED, false>(rows, width,
                {a, offset.data(), 1, 0, depth, panel.row(0), STRIP, sums.row(0), STRIP});
            for (long r = 0; r < rows; ++r) write(r, first, width, sums.row(r));
        }
    });
}

// Columns first ... first + width - 1 of a matrix with the given stride.
auto columns_of(const float* matrix, long rows, long stride) {
    return [=](Matrix& panel, long first, long width) {
        for (long k = 0; k < rows; ++k) copy(panel.row(k), matrix + k * stride + first, width);
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
    const auto pack = [=](Matrix& panel, long first, long width) {
        for (long from = 0; from < s.inputs; from += LANES)  // a block stays in the cache
            for (long n = 0; n < width; ++n)
                for (long k = from; k < std::min(from + LANES, s.inputs); ++k)
                    panel.row(k)[n] = weight[(first + n) * s.inputs + k];
    };
    const auto write = [=](long row, long first, long width, const float* sums) {
        fill(y + row * s.outputs + first, width, [=](auto at) {
            const auto value = at(sums) + at(bias + first);
            return relu ? rectified(value) : value;
        });
    };
    by_strips<false>(s.batch, s.outputs, s.inputs, x, s.inputs, threads, pack, write);
}

// `y` is null if no ReLU followed; `x_gradient` may be null: then it is not computed.
void sparsevae_linear_backward(const Sizes* sizes, long threads, const float* x,
                               const float* weight, const float* y, const float* gradient,
                               float* x_gradient, float* weight_gradient, float* bias_gradient) {
    const Sizes s = *sizes;
    std::unique_ptr<float[]> behind_relu;
    if (y) {
        behind_relu.reset(new float[s.batch * s.outputs]);
        masked(behind_relu.get(), gradient, y, s.batch * s.outputs);
        gradient = behind_relu.get();
    }
    BiasGradient bias(s.outputs);
    bias.add_pixels(gradient, s.batch * s.outputs);
    bias.write(bias_gradient);
    by_strips<true>(s.outputs, s.inputs, s.batch, gradient, s.outputs, threads,
                    columns_of(x, s.batch, s.inputs), rows_to(weight_gradient, s.inputs));
    if (x_gradient)
        by_strips<false>(s.batch, s.inputs, s.outputs, gradient, s.outputs, threads,
                         columns_of(weight, s.outputs, s.inputs), rows_to(x_gradient, s.inputs));
}

}  // extern "C"
