// Stacks of convolutions with a 3x3 kernel, stride 2 and padding 1, and of their transposes,
// forward and backward, for float32 arrays in channels-last order. A bias belongs to every
// layer; a ReLU follows every layer but, if wanted, the last.
//
// Four names carry the file. A layer, or *stage*, lies between a *large* map (H, W, C) and a
// *small* one (h, w, S), h = ceil(H / 2); convolutions go from large to small, their transposes
// from small to large. Stages are counted from the largest map in both. A stage has a weight of
// shape (S, C, 3, 3). A *patch* is the 3x3 neighbourhood of the large map that belongs to a
// position of the small one; in a copy of the map with a border of zeros it is three runs of 3 C
// floats. Everything is then a product of small matrices, image by image:
//
//     small    = patches(large) . W        forward of one, input gradient of the other
//     large    = overlap(small . W^T)      the reverse: patches laid over each other
//     gradient = patches(large)^T . small  of the weight
//
// An image passes through all stages before the next one comes, so that what lies between two
// stages stays in the cache. The backward pass needs the maps between stages again: the forward
// pass leaves them in `inner`.
//
// The batch is always cut into the same parts and partial sums are added in the same order, so
// the result does not depend on the number of threads.

#include "stage.hpp"
#include "threads.hpp"

namespace {

constexpr long PARTS = 8;

// What all stages have in common. `sizes` are the batch, the number of stages, the height and
// width of the largest map, and the channels of every map, the largest first.
struct Stack {
    const long batch, last;
    std::vector<Shape> shapes;
    std::vector<Weight> weight;
    std::vector<long> inner_at;  // where the small map of a stage lies among an image's inner maps
    long inner_size = 0;

    Stack(const long* sizes, const float* const* weights) : batch(sizes[0]), last(sizes[1] - 1) {
        long height = sizes[2], width = sizes[3];
        for (long k = 0; k <= last; ++k) {
            const Shape s{height, width, sizes[4 + k], sizes[5 + k]};
            shapes.push_back(s);
            weight.emplace_back(s, weights[k]);
            inner_at.push_back(inner_size);
            if (k < last) inner_size += s.small_size();
            height = s.rows(), width = s.columns();
        }
    }
    long large_size() const { return shapes.front().large_size(); }
    long small_size() const { return shapes.back().small_size(); }

    // Where the small map of stage k < last of image n is kept.
    template <class Float>
    Float* kept(Float* inner, long n, long k) const {
        return inner + n * inner_size + inner_at[k];
    }

    // Calls work(stages, n) for each image.
    template <class Work>
    void each_image(long threads, Work work) const {
        share(batch, threads, [&](long first, long final) {
            std::vector<Stage> stages(shapes.begin(), shapes.end());
            for (long n = first; n < final; ++n) work(stages, n);
        });
    }
};

// The gradients of a stage, one sum for each part of the batch.
struct Gradients {
    const Shape s;
    std::vector<Matrix> weight;
    std::vector<BiasGradient> bias;
    Gradients(const Shape& shape, long outputs)
        : s(shape), weight(PARTS, Matrix(s.taps(), s.small_channels)),
          bias(PARTS, BiasGradient(outputs)) {}

    void write(float* weight_to, float* bias_to) {
        Matrix& total = weight[0];
        for (long part = 1; part < PARTS; ++part) {
            add(total.row(0), weight[part].row(0), total.values.size());
            add(bias[0].sums.data(), bias[part].sums.data(), bias[0].sums.size());
        }
        bias[0].write(bias_to);
        each_weight(s, [&](long o, long tap, long index) {
            weight_to[index] = total.row(tap)[o];
        });
    }
};

// Calls work(stages, sums, n, part) for each image, which adds its gradients to the sums of its
// part, and writes the totals. A stage's bias has as many values as the member `outputs` says.
template <class Work>
void sum_gradients(const Stack& stack, long Shape::*outputs, long threads,
                   float* const* weights, float* const* biases, Work work) {
    std::vector<Gradients> sums;
    for (const Shape& s : stack.shapes) sums.emplace_back(s, s.*outputs);
    share(PARTS, threads, [&](long first, long final) {
        std::vector<Stage> stages(stack.shapes.begin(), stack.shapes.end());
        for (long part = first; part < final; ++part)
            for (long n = stack.batch * part / PARTS; n < stack.batch * (part + 1) / PARTS; ++n)
                work(stages, sums, n, part);
    });
    for (long k = 0; k <= stack.last; ++k) sums[k].write(weights[k], biases[k]);
}

auto activated(const float* bias, bool relu) {
    return [=](auto sum, auto at) {
        const auto value = sum + at(bias);
        return relu ? rectified(value) : value;
    };
}

constexpr auto unchanged = [](auto sum, auto) { return sum; };

}  // namespace

extern "C" {

// `inner` may be null: then the maps between stages are not kept.
void sparsevae_convolutions(const long* sizes, long threads, const float* large,
                            const float* const* weights, const float* const* biases, bool relu,
                            float* inner, float* small) {
    const Stack stack(sizes, weights);
    stack.each_image(threads, [&](std::vector<Stage>& stages, long n) {
        const float* from = large + n * stack.large_size();
        for (long k = 0; k <= stack.last; ++k) {
            const bool final = k == stack.last;
            float* to = final   ? small + n * stack.small_size()
                        : inner ? stack.kept(inner, n, k)
                                : stages[k].map.data();
            stages[k].set_large(from);
            stages[k].small_from_large(stack.weight[k], to, activated(biases[k], relu || !final));
            from = to;
        }
    });
}

// `output` is null if no ReLU followed; `large_gradient` may be null: then it is not computed.
void sparsevae_convolutions_backward(const long* sizes, long threads, const float* large,
                                     const float* const* weights, const float* inner,
                                     const float* output, const float* gradient,
                                     float* large_gradient, float* const* weight_gradients,
                                     float* const* bias_gradients) {
    const Stack stack(sizes, weights);
    const auto work = [&](std::vector<Stage>& stages, std::vector<Gradients>& sums, long n,
                          long part) {
        const long at = n * stack.small_size();
        float* small = stages[stack.last].map.data();
        masked(small, gradient + at, behind(output, at), stack.small_size());
        for (long k = stack.last; k >= 0; --k) {
            Stage& stage = stages[k];
            const long here = n * stack.large_size();
            const float* map = k ? stack.kept(inner, n, k - 1) : large + here;
            stage.set_large(map);
            sums[k].bias[part].add_pixels(small, stage.s.small_size());
            stage.add_weight_gradient(small, sums[k].weight[part]);
            if (!k && !large_gradient) return;
            float* to = k ? stages[k - 1].map.data() : large_gradient + here;
            stage.large_from_small(small, stack.weight[k], to, unchanged);
            if (k) masked(to, to, map, stage.s.large_size());
            small = to;
        }
    };
    sum_gradients(stack, &Shape::small_channels, threads, weight_gradients, bias_gradients, work);
}

// `inner` may be null: then the maps between stages are not kept.
void sparsevae_transposed_convolutions(const long* sizes, long threads, const float* small,
                                       const float* const* weights, const float* const* biases,
                                       bool relu, float* inner, float* large) {
    const Stack stack(sizes, weights);
    stack.each_image(threads, [&](std::vector<Stage>& stages, long n) {
        const float* from = small + n * stack.small_size();
        for (long k = stack.last; k >= 0; --k) {
            float* to = !k      ? large + n * stack.large_size()
                        : inner ? stack.kept(inner, n, k - 1)
                                : stages[k - 1].map.data();
            stages[k].large_from_small(from, stack.weight[k], to,
                                       activated(biases[k], relu || k));
            from = to;
        }
    });
}

// `output` is null if no ReLU followed; `small_gradient` may be null: then it is not computed.
void sparsevae_transposed_convolutions_backward(const long* sizes, long threads,
                                                const float* small, const float* const* weights,
                                                const float* inner, const float* output,
                                                const float* gradient, float* small_gradient,
                                                float* const* weight_gradients,
                                                float* const* bias_gradients) {
    const Stack stack(sizes, weights);
    const auto work = [&](std::vector<Stage>& stages, std::vector<Gradients>& sums, long n,
                          long part) {
        const long at = n * stack.large_size();
        stages[0].set_large(gradient + at, behind(output, at));
        for (long k = 0; k <= stack.last; ++k) {
            Stage& stage = stages[k];
            const bool final = k == stack.last;
            const long here = n * stack.small_size();
            const float* map = final ? small + here : stack.kept(inner, n, k);
            // The border is zero: it adds nothing.
            sums[k].bias[part].add_pixels(stage.bordered.data(), stage.bordered.size());
            stage.add_weight_gradient(map, sums[k].weight[part]);
            if (final && !small_gradient) return;
            float* to = final ? small_gradient + here : stage.map.data();
            stage.small_from_large(stack.weight[k], to, unchanged);
            if (!final) stages[k + 1].set_large(to, map);
        }
    };
    sum_gradients(stack, &Shape::channels, threads, weight_gradients, bias_gradients, work);
}

}  // extern "C"
