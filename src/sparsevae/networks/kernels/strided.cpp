// Stacks of convolutions with a 3x3 kernel, stride 2 and padding 1, and of their transposes,
// forward and backward, for float32 arrays in channels-last order. A bias belongs to every
// layer; a ReLU follows every layer but, if wanted, the last.
//
// Four names carry the file. A layer, or *stage*, lies between a *large* map (H, W, C) and a
// *small* one (h, w, S), h = ceil(H / 2); convolutions go from large to small, their transposes
// from small to large. Stages are counted from the largest map in both. A stage has a weight of
// shape (S, C, 3, 3). A *patch* is the 3x3 neighbourhood of the large map that belongs to a
// position of the small one; in a map with a border of zeros it is three runs of 3 C floats. The
// other way round a pixel is reached by one, two or four neighbouring positions, depending on the
// *parity* of its row and column, and those too are one run or two. Everything is then a product of
// small matrices, image by image:
//
//     small    = patches(large) . W           forward of one, input gradient of the other
//     large    = neighbours(small) . W^T      the reverse, for each of the four parities
//     gradient = patches(large)^T . small     of the weight
//
// An image passes through all stages before the next one comes, and a stage writes into the map
// that the next one reads, so that what lies between two stages stays in the nearest cache. The
// backward pass needs the maps between stages again: the forward pass copies them to `inner`.
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
    std::vector<Floats> bias;    // padded to whole vectors, a single one repeated; or none at all
    std::vector<long> inner_at;  // where the small map of a stage lies among an image's inner maps
    long inner_size = 0;

    // A stage's bias has as many values as the member `outputs` says.
    Stack(const long* sizes, const float* const* weights, const float* const* biases = nullptr,
          long Shape::*outputs = nullptr)
        : batch(sizes[0]), last(sizes[1] - 1) {
        long height = sizes[2], width = sizes[3];
        for (long k = 0; k <= last; ++k) {
            const Shape s{height, width, sizes[4 + k], sizes[5 + k]};
            shapes.push_back(s);
            weight.emplace_back(s, weights[k]);
            if (biases) {
                float* to = bias.emplace_back(whole_vectors(s.*outputs)).data();
                for (long i = 0; i < whole_vectors(s.*outputs); ++i)
                    to[i] = biases[k][i % (s.*outputs)];
            }
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

// The gradients of a stage, one sum for each part of the batch. The bias has `outputs` values, to
// which pixels of `channels` are added.
struct Gradients {
    const Shape s;
    const long outputs;
    std::vector<Matrix> weight;
    std::vector<BiasGradient> bias;
    Gradients(const Shape& shape, long outputs, long channels)
        : s(shape), outputs(outputs), weight(PARTS, Matrix(s.taps(), s.small_channels)),
          bias(PARTS, BiasGradient(channels)) {}

    void write(float* weight_to, float* bias_to) {
        Matrix& total = weight[0];
        for (long part = 1; part < PARTS; ++part) {
            add(total.row(0), weight[part].row(0), total.values.size());
            add(bias[0].sums.data(), bias[part].sums.data(), bias[0].sums.size());
        }
        bias[0].write(bias_to, outputs);
        for (long o = 0; o < s.small_channels; ++o)
            for (long c = 0; c < s.channels; ++c)
                for (long tap = 0; tap < TAPS; ++tap)
                    *weight_to++ = total.row(tap * s.channels + c)[o];
    }
};

// Calls work(stages, n, part) for each image, which adds its gradients to the sums of its part,
// and writes the totals.
template <class Work>
void sum_gradients(const Stack& stack, std::vector<Gradients>& sums, long threads,
                   float* const* weights, float* const* biases, Work work) {
    share(PARTS, threads, [&](long first, long final) {
        std::vector<Stage> stages(stack.shapes.begin(), stack.shapes.end());
        for (long part = first; part < final; ++part)
            for (long n = stack.batch * part / PARTS; n < stack.batch * (part + 1) / PARTS; ++n)
                work(stages, n, part);
    });
    for (long k = 0; k <= stack.last; ++k) sums[k].write(weights[k], biases[k]);
}

}  // namespace

extern "C" {

// `inner` may be null: then the maps between stages are not kept.
void sparsevae_convolutions(const long* sizes, long threads, const float* large,
                            const float* const* weights, const float* const* biases, bool relu,
                            float* inner, float* small) {
    const Stack stack(sizes, weights, biases, &Shape::small_channels);
    stack.each_image(threads, [&](std::vector<Stage>& stages, long n) {
        stages[0].large.set(large + n * stack.large_size());
        for (long k = 0; k <= stack.last; ++k) {
            const bool final = k == stack.last;
            Map& to = final ? stages[k].small : stages[k + 1].large;
            stages[k].small_from_large(stack.weight[k], to,
                                       {stack.bias[k].data(), relu || !final});
            if (final) to.get(small + n * stack.small_size());
            else if (inner) to.get(stack.kept(inner, n, k));
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
    std::vector<Gradients> sums;
    for (const Shape& s : stack.shapes) sums.emplace_back(s, s.small_channels, s.position());
    const auto work = [&](std::vector<Stage>& stages, long n, long part) {
        const long at = n * stack.small_size();
        stages[stack.last].small.set(gradient + at, behind(output, at));
        for (long k = stack.last; k >= 0; --k) {
            Stage& stage = stages[k];
            const long here = n * stack.large_size();
            const float* map = k ? stack.kept(inner, n, k - 1) : large + here;
            stage.large.set(map);
            // A border is zero: it adds nothing.
            sums[k].bias[part].add_pixels(stage.small.values.data(), stage.small.size);
            stage.add_weight_gradient(sums[k].weight[part]);
            if (!k && !large_gradient) return;
            Map& to = k ? stages[k - 1].small : stage.large;
            stage.large_from_small(stack.weight[k], to, UNCHANGED);
            if (k) to.mask(map);
            else to.get(large_gradient + here);
        }
    };
    sum_gradients(stack, sums, threads, weight_gradients, bias_gradients, work);
}

// `inner` may be null: then the maps between stages are not kept.
void sparsevae_transposed_convolutions(const long* sizes, long threads, const float* small,
                                       const float* const* weights, const float* const* biases,
                                       bool relu, float* inner, float* large) {
    const Stack stack(sizes, weights, biases, &Shape::channels);
    stack.each_image(threads, [&](std::vector<Stage>& stages, long n) {
        stages[stack.last].small.set(small + n * stack.small_size());
        for (long k = stack.last; k >= 0; --k) {
            Map& to = k ? stages[k - 1].small : stages[k].large;
            stages[k].large_from_small(stack.weight[k], to, {stack.bias[k].data(), relu || k});
            if (!k) to.get(large + n * stack.large_size());
            else if (inner) to.get(stack.kept(inner, n, k - 1));
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
    std::vector<Gradients> sums;
    for (const Shape& s : stack.shapes) sums.emplace_back(s, s.channels, s.channels);
    const auto work = [&](std::vector<Stage>& stages, long n, long part) {
        const long at = n * stack.large_size();
        stages[0].large.set(gradient + at, behind(output, at));
        for (long k = 0; k <= stack.last; ++k) {
            Stage& stage = stages[k];
            const bool final = k == stack.last;
            const long here = n * stack.small_size();
            const float* map = final ? small + here : stack.kept(inner, n, k);
            stage.small.set(map);
            sums[k].bias[part].add_pixels(stage.large.values.data(), stage.large.size);
            stage.add_weight_gradient(sums[k].weight[part]);
            if (final && !small_gradient) return;
            Map& to = final ? stage.small : stages[k + 1].large;
            stage.small_from_large(stack.weight[k], to, UNCHANGED);
            if (final) to.get(small_gradient + here);
            else to.mask(map);
        }
    };
    sum_gradients(stack, sums, threads, weight_gradients, bias_gradients, work);
}

}  // extern "C"
