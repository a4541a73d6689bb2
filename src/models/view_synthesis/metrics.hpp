// How close a rendered picture is to the photograph.
#pragma once
#include <cstdint>
#include <span>

namespace lact {

double mse(std::span<const float> a, std::span<const float> b);  // mean squared difference; of one size, not empty
double psnr(double mse);  // -10 log10(mse), for values in [0, 1]; infinity for equal pictures

// Structural similarity of Wang, Bovik, Sheikh and Simoncelli (2004) of two planar pictures [channels, height, width]
// with values in [0, 1]: Gaussian window of 11x11, sigma 1.5, K1 = 0.01, K2 = 0.03; the mean over channels and over the
// places where the whole window lies inside the picture. Along a side shorter than 11 the window is the largest odd
// size that fits.
double ssim(std::span<const float> a, std::span<const float> b, std::int64_t height, std::int64_t width);

}  // namespace lact
