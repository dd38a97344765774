// The divergence of each of B spike-and-slabs q from each of U others p, of J dimensions, and its
// gradient. With g = sigmoid(l), the variance v = s^2, the precision h = 1 / (2 s_p^2) and
// softplus(l) = -log(1 - g) it is the sum over dimensions of
//
//     g (a + h (v + (m - m_p)^2)) + (1 - g) c,  a = log s_p + softplus(-l_p),  c = softplus(l_p),
//
// less g (log s + 1/2 + softplus(-l)) + (1 - g) softplus(l).
//
// Nothing in it is the difference of large numbers, as it is where the square is expanded into
// products of matrices.
//
// The threads share the rows of q, or, in the backward pass, the dimensions: the result does not
// depend on their number.

#include "functions.hpp"
#include "threads.hpp"

namespace {

struct Sizes {
    long batch, components, latents;
};

// Log-odds, mean and standard deviation of one distribution or many, (rows, J).
struct Given {
    const float *logits, *mean, *scale;
};

// Up to LANES neighbouring dimensions of one row; behind the last one stands `none`.
inline Vector some(const float* from, long count, float none) {
    if (count >= LANES) return load(from);
    Vector few = Vector{} + none;
    for (long i = 0; i < count; ++i) few[i] = from[i];
    return few;
}

inline void put(float* to, long count, Vector value) {
    if (count >= LANES) return store(to, value);
    for (long i = 0; i < count; ++i) to[i] = value[i];
}

// What the formula takes of a row's dimensions from j on.
struct Part {
    Vector logits, mean, scale, on, off, softplus, softplus_off, log_scale;

    Part(const Given& given, long row, long latents, long j) {
        const long at = row * latents + j, count = latents - j;
        logits = some(given.logits + at, count, 0), mean = some(given.mean + at, count, 0);
        scale = some(given.scale + at, count, 1);
        const Vector size = logits < 0 ? -logits : logits, e = exp_of_negative(-size);
        const Vector rest = log_of_one_plus(e), one = Vector{} + 1.0f;
        on = (logits < 0 ? e : one) / (e + 1.0f), off = (logits < 0 ? one : e) / (e + 1.0f);
        softplus = (logits < 0 ? Vector{} : logits) + rest;
        softplus_off = (logits < 0 ? -logits : Vector{}) + rest;
        log_scale = log_of(scale);
    }
    Vector variance() const { return scale * scale; }
    Vector precision() const { return 0.5f / variance(); }
};

// The forward pass takes HIGH rows of q and a vector of components at a time, and DEEP dimensions:
// what these need stays in registers and in the nearest cache.
constexpr long HIGH = LANES == 16 ? 8 : 4, DEEP = 64, OF_Q = 4, OF_P = 4;

// sum[r] += terms of `depth` dimensions. Of row r, q holds on, off, mean and variance, DEEP floats
// each; p holds a, c, mean and precision of a vector of components, dimension by dimension.
inline void add_terms(long depth, const float* q, const float* p, float* to) {
    Vector sum[HIGH] = {};
    for (long j = 0; j < depth; ++j, ++q, p += OF_P * LANES) {
        const Vector a = load(p), c = load(p + LANES), mean = load(p + 2 * LANES);
        const Vector precision = load(p + 3 * LANES);
        for (long r = 0; r < HIGH; ++r) {
            const float* row = q + r * OF_Q * DEEP;
            const Vector apart = row[2 * DEEP] - mean;
            sum[r] += row[DEEP] * c;
            sum[r] += row[0] * (precision * (apart * apart + row[3 * DEEP]) + a);
        }
    }
    for (long r = 0; r < HIGH; ++r, to += LANES) store(to, load(to) + sum[r]);
}

long strips_of(const Sizes& s) { return (s.components + LANES - 1) / LANES; }

// The components as add_terms reads them, strip by strip.
Floats packed(const Sizes& s, const Given& p) {
    Floats panels(strips_of(s) * s.latents * OF_P * LANES);
    for (long u = 0; u < s.components; ++u)
        for (long j = 0; j < s.latents; j += LANES) {
            const Part part(p, u, s.latents, j);
            const Vector values[OF_P] = {part.log_scale + part.softplus_off, part.softplus,
                                         part.mean, part.precision()};
            float* to = panels.data() + (u / LANES * s.latents + j) * OF_P * LANES + u % LANES;
            for (long i = 0; i < std::min(LANES, s.latents - j); ++i)
                for (long k = 0; k < OF_P; ++k) to[(i * OF_P + k) * LANES] = values[k][i];
        }
    return panels;
}

// DEEP dimensions of a row of q as add_terms reads them; returns the term of q alone.
float unpack(const Sizes& s, const Given& q, long row, long from, float* to) {
    Vector sum{};
    for (long j = from; j < std::min(from + DEEP, s.latents); j += LANES, to += LANES) {
        const Part part(q, row, s.latents, j);
        store(to, part.on), store(to + DEEP, part.off), store(to + 2 * DEEP, part.mean);
        store(to + 3 * DEEP, part.variance());
        const Vector own = part.on * (part.log_scale + 0.5f + part.softplus_off);
        const Vector term = own + part.off * part.softplus;
        for (long i = 0; i < std::min(LANES, s.latents - j); ++i) sum[i] += term[i];
    }
    float total = 0;
    for (long i = 0; i < LANES; ++i) total += sum[i];
    return total;
}

// Rows of q from `begin` to `end` against all components. All of them take the same DEEP
// dimensions before the next ones come, so that those of the components stay in the cache.
void divergences(const Sizes& s, const Given& q, const Floats& panels, long begin, long end,
                 float* to) {
    const long strips = strips_of(s), wide = strips * HIGH * LANES;
    const long groups = (end - begin + HIGH - 1) / HIGH;
    Floats sums(groups * wide), group(HIGH * OF_Q * DEEP);
    std::vector<float> own(end - begin);
    for (long j = 0; j < s.latents; j += DEEP)
        for (long g = 0; g < groups; ++g) {
            for (long n = g * HIGH; n < std::min((g + 1) * HIGH, end - begin); ++n)
                own[n] += unpack(s, q, begin + n, j, group.data() + n % HIGH * OF_Q * DEEP);
            for (long strip = 0; strip < strips; ++strip)
                add_terms(std::min(DEEP, s.latents - j), group.data(),
                          panels.data() + (strip * s.latents + j) * OF_P * LANES,
                          sums.data() + g * wide + strip * HIGH * LANES);
        }
    for (long n = 0; n < end - begin; ++n)
        for (long u = 0; u < s.components; ++u)
            to[(begin + n) * s.components + u] =
                sums.data()[n / HIGH * wide + (u / LANES * HIGH + n % HIGH) * LANES + u % LANES] -
                own[n];
}

// The backward pass takes all rows of a cache line of dimensions before the next line comes.
constexpr long LINE = 16;

// Sums over a row of the gradient's product with what stands beside each component.
struct OfRow {
    Vector slope{}, precision{}, pull{};
};

// The same over the rows, for one component.
struct OfComponent {
    Vector on, pull, square;
};

struct Component {
    Vector offset, mean, precision;  // offset is a - c
};

// A component that a row's gradient depends on, and by how much.
struct Pull {
    long component;
    float weight;
};

// Of every row those whose weight is not below SLIGHT of the largest weight of all: of a mixture
// most components explain a row so much worse than the best that their share of it is nothing.
constexpr float SLIGHT = 1e-12f;

std::vector<std::vector<Pull>> pulls_of(const Sizes& s, const float* gradient) {
    float largest = 0;
    for (long i = 0; i < s.batch * s.components; ++i)
        largest = std::max(largest, std::abs(gradient[i]));
    std::vector<std::vector<Pull>> pulls(s.batch);
    for (long n = 0; n < s.batch; ++n)
        for (long u = 0; u < s.components; ++u) {
            const float weight = gradient[n * s.components + u];
            if (!(std::abs(weight) < SLIGHT * largest)) pulls[n].push_back({u, weight});
        }
    return pulls;
}

inline OfRow add_row(const std::vector<Pull>& pulls, const Part& part, const Component* p,
                     OfComponent* to) {
    const Vector variance = part.variance();
    OfRow row;
    for (const auto [u, weight] : pulls) {
        const Vector apart = part.mean - p[u].mean, square = apart * apart + variance;
        const Vector precise = weight * p[u].precision, on = weight * part.on;
        row.slope += weight * p[u].offset;
        row.slope += precise * square;
        row.precision += precise;
        row.pull += precise * apart;
        to[u].on += on;
        to[u].pull += on * apart;
        to[u].square += on * square;
    }
    return row;
}

}  // namespace

extern "C" {

void sparsevae_divergence(const Sizes* sizes, long threads, const float* logits,
                          const float* mean, const float* scale, const float* p_logits,
                          const float* p_mean, const float* p_scale, float* to) {
    const Sizes s = *sizes;
    const Given q{logits, mean, scale};
    const Floats panels = packed(s, {p_logits, p_mean, p_scale});
    share(s.batch, threads,
          [&](long begin, long end) { divergences(s, q, panels, begin, end, to); });
}

void sparsevae_divergence_backward(const Sizes* sizes, long threads, const float* logits,
                                   const float* mean, const float* scale, const float* p_logits,
                                   const float* p_mean, const float* p_scale,
                                   const float* gradient, float* logits_to, float* mean_to,
                                   float* scale_to, float* p_logits_to, float* p_mean_to,
                                   float* p_scale_to) {
    const Sizes s = *sizes;
    const Given q{logits, mean, scale}, p{p_logits, p_mean, p_scale};
    const auto pulls = pulls_of(s, gradient);
    std::vector<float> of_row(s.batch), of_component(s.components);
    for (long n = 0; n < s.batch; ++n)
        for (const auto [u, weight] : pulls[n]) of_row[n] += weight, of_component[u] += weight;
    share((s.latents + LINE - 1) / LINE, threads, [&](long begin, long end) {
        const long vectors = LINE / LANES, all = s.components * vectors;
        std::vector<Component> components(all);
        for (long line = begin * LINE; line < std::min(end * LINE, s.latents); line += LINE) {
            const long last = std::min(line + LINE, s.latents);
            std::vector<OfComponent> sums(all);
            for (long j = line, v = 0; j < last; j += LANES, ++v)
                for (long u = 0; u < s.components; ++u) {
                    const Part part(p, u, s.latents, j);
                    const Vector offset = part.log_scale - part.logits;
                    components[v * s.components + u] = {offset, part.mean, part.precision()};
                }
            for (long n = 0; n < s.batch; ++n)
                for (long j = line, v = 0; j < last; j += LANES, ++v) {
                    const Part part(q, n, s.latents, j);
                    const OfRow row = add_row(pulls[n], part, &components[v * s.components],
                                              &sums[v * s.components]);
                    const Vector own = of_row[n] * (part.logits - part.log_scale - 0.5f);
                    const Vector width =
                        2.0f * part.scale * row.precision - of_row[n] / part.scale;
                    const long at = n * s.latents + j, count = s.latents - j;
                    put(logits_to + at, count, part.on * part.off * (row.slope + own));
                    put(mean_to + at, count, 2.0f * part.on * row.pull);
                    put(scale_to + at, count, part.on * width);
                }
            for (long j = line, v = 0; j < last; j += LANES, ++v)
                for (long u = 0; u < s.components; ++u) {
                    const Part part(p, u, s.latents, j);
                    const OfComponent& sum = sums[v * s.components + u];
                    const Vector twice = 2.0f * part.precision();
                    const long at = u * s.latents + j, count = s.latents - j;
                    put(p_logits_to + at, count, of_component[u] * part.on - sum.on);
                    put(p_mean_to + at, count, -twice * sum.pull);
                    put(p_scale_to + at, count, (sum.on - twice * sum.square) / part.scale);
                }
        }
    });
}

}  // extern "C"
