// The pictures of a choice of views, read into the host's memory, and what stands in for damaged ones.
#pragma once
#include <functional>
#include <optional>
#include <stop_token>

#include "data/sample.hpp"
#include "data/views/view_batch.hpp"
#include "data/views/view_choice.hpp"
#include "data/views/watched_views.hpp"

namespace lact {

struct ViewSample {  // inputs, then targets; each list row-major
  ViewChoice choice;
  std::vector<float> images, intrinsics, poses;
};

// Whose sample it is: which views are looked at here, inputs first, and who may ask to stop.
struct Reader {
  const ViewSource& source;
  const DataConfig& config;
  std::vector<bool> seen;  // views that are not seen are not read: their pictures and intrinsics are zeros
  std::stop_token stop;
};
// Views of the scene that may stand in for a view, in this order.
using StandIns = std::function<std::vector<std::int64_t>(std::int64_t view)>;
// A sample to train on; an incomplete one when asked to stop. A damaged view throws. With `stand_ins` another view
// takes its place; where none is left there is no sample, and `why` says what is wrong with the picture.
std::optional<ViewSample> training_sample(const Reader& reader, const ViewChoice& drawn, const StandIns& stand_ins = {},
                                          std::string* why = nullptr);

// A sample to evaluate or to render, of what can be read, which its choice then says. With data.damaged=skip a damaged
// input gives its place to the next view that is not held out, and is left out where there is none; damaged targets are
// left out.
ViewSample chosen_sample(const ViewSource& source, ViewChoice choice, const DataConfig& config);

Sample to_sample(ViewSample views, const DataConfig& config);
// One sample as a batch whose target numbers are all that count.
ViewBatch batch_of(ViewSample views, const DataConfig& config, Device& device);

}  // namespace lact
