// Linear layers y = relu(x . W + b), forward and backward, for float32 arrays: x (batch, inputs),
// y (batch, outputs). The weight lies in memory as (outputs, inputs), or as (inputs, outputs)
// when `inputs_first` is set. The bias has `channels` values, repeated along the outputs.
//
// Each of the three products is taken in tiles of HIGH rows and two vectors of columns, whose
// sums stay in registers. Both sides are packed first, so that a tile reads them in order: the
// left one in panels of HIGH rows, the right one in strips of two vectors. The threads share the
// strips, so the result does not depend on their number.

#include <memory>

#include "threads.hpp"
#include "vectors.hpp"

namespace {

struct Sizes {
    long batch, inputs, outputs, channels, inputs_first;
};

// A strip's part of BLOCK rows stays in the nearest cache, NEAR floats of panels in the next one.
constexpr long HIGH = TALL * WIDE / 2, STRIP = 2 * LANES, BLOCK = 256, NEAR = 1 << 16;

long ceiling(long count, long size) { return (count + size - 1) / size; }

// Elements (i, k) of a matrix or of its transpose, at data[i * row + k * column].
struct View {
    const float* data;
    long row, column;
};

// Rows of a view in groups of SIZE: groups one after another, in each the columns one after
// another. What is missing of the last group is 0.
template <long SIZE>
class Packed {
    std::unique_ptr<float[]> memory;
    float* values;
    const long columns;

public:
    Packed(const View& view, long rows, long columns, long threads)
        : memory(new float[ceiling(rows, SIZE) * SIZE * columns + 16]), columns(columns) {
        const auto address = reinterpret_cast<std::uintptr_t>(memory.get());
        values = memory.get() + (64 - address % 64) % 64 / sizeof(float);
        share(ceiling(rows, SIZE), threads, [&](long first, long last) {
            for (long index = first; index < last; ++index)
                pack(view, index * SIZE, std::min(SIZE, rows - index * SIZE), group(index));
        });
    }
    float* group(long index) const { return values + index * SIZE * columns; }

private:
    void pack(const View& view, long first, long count, float* to) const {
        const float* from = view.data + first * view.row;
        if (count < SIZE) std::fill(to, to + SIZE * columns, 0.0f);
        for (long k = 0; k < columns; ++k, from += view.column, to += SIZE)
            if (count < SIZE)
                for (long i = 0; i < count; ++i) to[i] = from[i * view.row];
            else if (view.row == 1)
                copy(to, from, SIZE);
            else
                for (long i = 0; i < SIZE; ++i) to[i] = from[i * view.row];
    }
};

// to (+)= panel . strip, a tile.
inline void tile(long depth, const float* panel, const float* strip, float* to, bool add) {
    Vector sum[HIGH][2] = {};
    for (long k = 0; k < depth; ++k, panel += HIGH, strip += STRIP) {
        const Vector left = load(strip), right = load(strip + LANES);
        for (long r = 0; r < HIGH; ++r) {
            sum[r][0] += panel[r] * left;
            sum[r][1] += panel[r] * right;
        }
    }
    for (long r = 0; r < HIGH; ++r)
        for (long v = 0; v < 2; ++v, to += LANES)
            store(to, add ? load(to) + sum[r][v] : sum[r][v]);
}

// The product a . b of (rows, depth) and, transposed, (columns, depth):
// write(row, first, width, sums) takes a row of a strip.
template <class Write>
void multiply(long rows, long columns, long depth, const View& a, const View& b, long threads,
              Write write) {
    const Packed<HIGH> panels(a, rows, depth, threads);
    const Packed<STRIP> strips(b, columns, depth, threads);
    const long all = ceiling(rows, HIGH), near = std::max(1L, NEAR / (HIGH * (depth + 1)));
    share(ceiling(columns, STRIP), threads, [&](long begin, long end) {
        Floats sums(std::min(near, all) * HIGH * STRIP);
        for (long from = 0; from < all; from += near)
            for (long strip = begin; strip < end; ++strip) {
                const long count = std::min(near, all - from), first = strip * STRIP;
                for (long k = 0; k < depth; k += BLOCK)
                    for (long p = 0; p < count; ++p)
                        tile(std::min(BLOCK, depth - k), panels.group(from + p) + k * HIGH,
                             strips.group(strip) + k * STRIP, sums.data() + p * HIGH * STRIP,
                             k > 0);
                const long top = from * HIGH, height = std::min(count * HIGH, rows - top);
                for (long r = 0; r < height; ++r)
                    write(top + r, first, std::min(STRIP, columns - first),
                          sums.data() + r * STRIP);
            }
    });
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
    const View by_output = s.inputs_first ? View{weight, 1, s.outputs} : View{weight, s.inputs, 1};
    multiply(s.batch, s.outputs, s.inputs, {x, s.inputs, 1}, by_output, threads, write);
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
    bias.write(bias_gradient, s.channels);
    const View by_input{x, 1, s.inputs}, by_output{gradient, 1, s.outputs};
    if (s.inputs_first)
        multiply(s.inputs, s.outputs, s.batch, by_input, by_output, threads,
                 rows_to(weight_gradient, s.outputs));
    else
        multiply(s.outputs, s.inputs, s.batch, by_output, by_input, threads,
                 rows_to(weight_gradient, s.inputs));
    if (!x_gradient) return;
    const View of_weight = s.inputs_first ? View{weight, s.outputs, 1} : View{weight, 1, s.inputs};
    multiply(s.batch, s.inputs, s.outputs, {gradient, s.outputs, 1}, of_weight, threads,
             rows_to(x_gradient, s.inputs));
}

}  // extern "C"
