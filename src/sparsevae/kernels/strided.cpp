// Convolutions with a 3x3 kernel, stride 2 and padding 1, and their transposes, forward and
// backward, for float32 arrays in channels-last order.
//
// Four names carry the file. A convolution halves a *large* map (H, W, C) to a *small* one
// (h, w, S), h = ceil(H / 2); a transposed convolution goes the other way. Both have a weight of
// shape (S, C, 3, 3). A *patch* is the 3x3 neighbourhood of the large map that belongs to a
// position of the small one; in a copy of the map with a border of zeros it is three runs of 3 C
// floats. Everything is then a product of small matrices, image by image:
//
//     small    = patches(large) . W        forward of one, input gradient of the other
//     large    = overlap(small . W^T)      the reverse: patches laid over each other
//     gradient = patches(large)^T . small  of the weight
//
// The batch is always cut into the same parts and partial sums are added in the same order, so
// the result does not depend on the number of threads.

#include "image.hpp"

namespace {

constexpr long PARTS = 8;

// Calls work(image, n) for each image.
template <class Work>
void each_image(const Shape& s, long threads, Work work) {
    share(s.batch, threads, [&](long first, long last) {
        Image image(s);
        for (long n = first; n < last; ++n) work(image, n);
    });
}

// Calls work(image, n, part) for each image; the part says where to add its gradients.
template <class Work>
void each_image_of_part(const Shape& s, long threads, Work work) {
    share(PARTS, threads, [&](long first, long last) {
        Image image(s);
        for (long part = first; part < last; ++part)
            for (long n = s.batch * part / PARTS; n < s.batch * (part + 1) / PARTS; ++n)
                work(image, n, part);
    });
}

// One sum for each part of the batch.
struct Gradients {
    std::vector<Matrix> weight;
    std::vector<BiasGradient> bias;
    Gradients(const Shape& s, long outputs)
        : weight(PARTS, Matrix(s.taps(), s.small_channels)), bias(PARTS, BiasGradient(outputs)) {}

    void write(const Shape& s, float* weight_to, float* bias_to) {
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

}  // namespace

extern "C" {

void sparsevae_convolution(const Shape* shape, long threads, const float* large,
                           const float* weight, const float* bias, bool relu, float* small) {
    const Shape s = *shape;
    const Matrix by_tap = weight_by_tap(s, weight);
    each_image(s, threads, [&](Image& image, long n) {
        image.set_large(large + n * s.large_size());
        image.small_from_large(by_tap);
        image.copy_small(small + n * s.small_size(), [=](auto sum, auto at) {
            const auto value = sum + at(bias);
            return relu ? rectified(value) : value;
        });
    });
}

// `output` is null if no ReLU followed; `large_gradient` may be null: then it is not computed.
void sparsevae_convolution_backward(const Shape* shape, long threads, const float* large,
                                    const float* weight, const float* output,
                                    const float* gradient, float* large_gradient,
                                    float* weight_gradient, float* bias_gradient) {
    const Shape s = *shape;
    const Matrix by_channel = weight_by_channel(s, weight);
    Gradients sums(s, s.small_channels);
    each_image_of_part(s, threads, [&](Image& image, long n, long part) {
        const long at = n * s.small_size();
        const float* small = image.masked_small(gradient + at, behind(output, at));
        sums.bias[part].add_pixels(small, s.small_size());
        image.set_large(large + n * s.large_size());
        image.add_weight_gradient(small, sums.weight[part]);
        if (!large_gradient) return;
        image.patches_from_small(small, by_channel);
        image.overlap(large_gradient + n * s.large_size(), [](auto sum, auto) { return sum; });
    });
    sums.write(s, weight_gradient, bias_gradient);
}

void sparsevae_transposed_convolution(const Shape* shape, long threads, const float* small,
                                      const float* weight, const float* bias, bool relu,
                                      float* large) {
    const Shape s = *shape;
    const Matrix by_channel = weight_by_channel(s, weight);
    each_image(s, threads, [&](Image& image, long n) {
        image.patches_from_small(small + n * s.small_size(), by_channel);
        image.overlap(large + n * s.large_size(), [=](auto sum, auto at) {
            const auto value = sum + at(bias);
            return relu ? rectified(value) : value;
        });
    });
}

// `output` is null if no ReLU followed; `small_gradient` may be null: then it is not computed.
void sparsevae_transposed_convolution_backward(const Shape* shape, long threads,
                                               const float* small, const float* weight,
                                               const float* output, const float* gradient,
                                               float* small_gradient, float* weight_gradient,
                                               float* bias_gradient) {
    const Shape s = *shape;
    const Matrix by_tap = weight_by_tap(s, weight);
    Gradients sums(s, s.channels);
    each_image_of_part(s, threads, [&](Image& image, long n, long part) {
        const long at = n * s.large_size();
        image.set_large(gradient + at, behind(output, at));
        // The border is zero: it adds nothing.
        sums.bias[part].add_pixels(image.bordered.data(), image.bordered.size());
        image.add_weight_gradient(small + n * s.small_size(), sums.weight[part]);
        if (!small_gradient) return;
        image.small_from_large(by_tap);
        image.copy_small(small_gradient + n * s.small_size(), [](auto sum, auto) { return sum; });
    });
    sums.write(s, weight_gradient, bias_gradient);
}

}  // extern "C"
