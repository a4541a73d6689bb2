// How far two runs of one config are apart that began with the same weights, in the order in which a run makes what is
// compared. Adam turns the noise of a gradient into a whole step, so weights are compared in units of the steps made.
#pragma once
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "train/config.hpp"

namespace lact {

struct RunDifference {
  std::string part;  // "loss of step 2", "evaluation of step 2: eval_psnr", "checkpoint of step 2: NAME"
  double value = 0, bound = 0;
  bool ok() const { return value <= bound; }  // a NaN is not
};

// The larger of two differences; one that is no number is worse than all, whichever comes first.
inline double worse(double a, double b) { return b <= a || std::isnan(a) ? a : b; }

struct RunBounds {
  double loss = 0, evaluation = 0;         // see below
  std::map<std::string, double> gradient;  // of each parameter, by its largest value
  bool bits = false;                       // all is the same to the last bit
};

struct RunLeg {           // steps from `begin`, a checkpoint, to `end`, an evaluation and a checkpoint
  Range steps;            // as numbers of finished steps
  double rates = 0;       // the sum of the learning rates of all steps from 0 to `end`
  std::string gradients;  // of the reference's first step, as of record_gradients()
};

// |a - b| / |b| of every loss; |a - b| / max(|b|, 1) of every value of the evaluation at the end, where there is one.
std::vector<RunDifference> loss_differences(const std::string& run, const std::string& reference, const RunLeg& leg,
                                            const RunBounds& bounds);
std::vector<RunDifference> evaluation_differences(const std::string& run, const std::string& reference,
                                                  const RunLeg& leg, const RunBounds& bounds);
// Of the checkpoint at the end: where the run stands, and each parameter in units of `rates`. Where the first gradient
// was over ten times its bound by at most a tenth; elsewhere steps of the same length may have gone apart.
std::vector<RunDifference> checkpoint_differences(const RunConfig& cfg, const std::string& run,
                                                  const std::string& reference, const RunLeg& leg,
                                                  const RunBounds& bounds);

}  // namespace lact
