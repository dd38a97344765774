// The Bernoulli score of grey values x under logits l, and its gradient, in one pass over the
// pixels: score = sum of x l - softplus(l), gradient = x - sigmoid(l), with
//
//     e = exp(-|l|),  softplus(l) = max(l, 0) + log(1 + e),  sigmoid(l) = (l < 0 ? e : 1) / (1 + e)

#include <cstdint>

#include "threads.hpp"
#include "vectors.hpp"

namespace {

struct Sizes {
    long batch, pixels;
};

typedef std::uint32_t Bits __attribute__((vector_size(4 * LANES)));

// exp(x) for x <= 0: x = n log 2 + r with |r| <= log(2) / 2, and a polynomial in r.
inline Vector exp_of_negative(Vector x) {
    x = x < -41.0f ? Vector{} - 41.0f : x;  // 2e-18: nothing beside 1, and its square is normal
    const float shift = 12582912.0f;        // 1.5 * 2^23: the sum's last bits hold n
    const Vector shifted = x * 1.44269504f + shift, n = shifted - shift;
    const Vector r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
    Vector value = r * (1.0f / 720) + 1.0f / 120;
    value = value * r + 1.0f / 24;
    value = value * r + 1.0f / 6;
    value = value * r + 0.5f;
    value = (value * r + 1.0f) * r + 1.0f;
    const Bits power = ((Bits)shifted << 23) + 0x3f800000u;
    return value * (Vector)power;
}

// log(1 + e) for 0 <= e <= 1: twice the area tangent of t = e / (2 + e), t <= 1/3.
inline Vector log_of_one_plus(Vector e) {
    const Vector t = e / (e + 2.0f), square = t * t;
    Vector series = square * (1.0f / 13) + 1.0f / 11;
    series = series * square + 1.0f / 9;
    series = series * square + 1.0f / 7;
    series = series * square + 1.0f / 5;
    series = series * square + 1.0f / 3;
    return 2.0f * t * (square * series + 1.0f);
}

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
