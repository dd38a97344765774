// The Bernoulli score of grey values x under logits l, and its gradient, in one pass over the
// pixels: score = sum of x l - softplus(l), gradient = x - sigmoid(l), with
//
//     e = exp(-|l|),  softplus(l) = max(l, 0) + log(1 + e),  sigmoid(l) = (l < 0 ? e : 1) / (1 + e)

#include "functions.hpp"
#include "threads.hpp"

namespace {

struct Sizes {
    long batch, pixels;
};

// x l - max(l, 0) is written as one product, so that nothing cancels.
inline Vector score(Vector logit, Vector value) {
    const Vector magnitude = logit < 0 ? -logit : logit;
    const Vector factor = logit < 0 ? value : value - 1.0f;
    return factor * logit - log_of_one_plus(exp_of_negative(-magnitude));
}

inline Vector slope(Vector logit, Vector value) {
    const Vector magnitude = logit < 0 ? -logit : logit, e = exp_of_negative(-magnitude);
    return value - (logit < 0 ? e : Vector{} + 1.0f) / (e + 1.0f);
}

// The last pixels of an image, in a vector of their own.
inline Vector load_few(const float* from, long count) {
    float few[LANES] = {};
    std::copy(from, from + count, few);
    return load(few);
}

float image_score(const float* logits, const float* values, long pixels) {
    Vector sum{};
    long i = 0;
    for (; i + LANES <= pixels; i += LANES) sum += score(load(logits + i), load(values + i));
    float total = 0;
    for (long lane = 0; lane < LANES; ++lane) total += sum[lane];
    const Vector rest = score(load_few(logits + i, pixels - i), load_few(values + i, pixels - i));
    for (long lane = 0; lane < pixels - i; ++lane) total += rest[lane];
    return total;
}

void image_slope(const float* logits, const float* values, long pixels, float factor, float* to) {
    long i = 0;
    for (; i + LANES <= pixels; i += LANES)
        store(to + i, factor * slope(load(logits + i), load(values + i)));
    const Vector rest = slope(load_few(logits + i, pixels - i), load_few(values + i, pixels - i));
    for (long lane = 0; lane < pixels - i; ++lane) to[i + lane] = factor * rest[lane];
}

}  // namespace

extern "C" {

void sparsevae_bernoulli_score(const Sizes* sizes, long threads, const float* logits,
                               const float* values, float* scores) {
    const Sizes s = *sizes;
    share(s.batch, threads, [=](long first, long last) {
        for (long n = first; n < last; ++n)
            scores[n] = image_score(logits + n * s.pixels, values + n * s.pixels, s.pixels);
    });
}

void sparsevae_bernoulli_score_backward(const Sizes* sizes, long threads, const float* logits,
                                        const float* values, const float* gradient,
                                        float* logits_gradient) {
    const Sizes s = *sizes;
    share(s.batch, threads, [=](long first, long last) {
        for (long n = first; n < last; ++n)
            image_slope(logits + n * s.pixels, values + n * s.pixels, s.pixels, gradient[n],
                        logits_gradient + n * s.pixels);
    });
}

}  // extern "C"
