// Which views a sample holds: arithmetic on indices, no pictures.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/views/config.hpp"

namespace lact {

struct Split {
  std::vector<std::int64_t> train, held_out;  // ascending
};
// `title` names the scene in a sentence.
Split split_views(std::int64_t views, const std::vector<std::int64_t>& held_out, const std::string& title);

struct SceneViews {  // a scene to train on, and its views that may be used for it
  std::int64_t scene = 0;
  std::vector<std::int64_t> train;
};
// Every scene of the source but data.held_out_scenes; each must have the views that the configuration asks for.
std::vector<SceneViews> training_views(const ViewSource& source, const DataConfig& config);

struct ViewChoice {
  std::int64_t scene = 0;
  std::vector<std::int64_t> drawn;            // distinct, in random order; the poses of these are normalised together
  std::vector<std::int64_t> inputs, targets;  // the first and the last of them
};
// The views of a sample: a function of the seed and the sample's number in the whole run. Every `scenes.size()` samples
// are an epoch that visits each scene once, in an order of its own.
ViewChoice choose_views(std::uint64_t seed, std::int64_t sample, std::span<const SceneViews> scenes,
                        const DataConfig& config);
ViewChoice choose_views_of(const SceneViews& from, std::uint64_t seed, std::int64_t sample, const DataConfig& config);
// Where all training views of a scene are damaged: the others in the order in which they stand in for it, as places in
// `scenes`. A function of the seed and the sample, so that ranks agree as they do about views.
std::vector<std::int64_t> stand_in_scenes(std::uint64_t seed, std::int64_t sample, std::int64_t scene,
                                          std::span<const SceneViews> scenes);
// The scene's other training views, in the order in which they stand in for one of the sample whose picture is damaged:
// those not drawn first. A function of the seed, the sample and the view, so that ranks which read only a part of the
// sample agree; two damaged views may therefore find the same one.
std::vector<std::int64_t> stand_ins(std::uint64_t seed, std::int64_t sample, std::int64_t view,
                                    const ViewChoice& choice, std::span<const SceneViews> scenes);
// A choice made by hand, for evaluation and rendering.
ViewChoice given_views(std::int64_t scene, std::vector<std::int64_t> inputs, std::vector<std::int64_t> targets);

// data.eval_inputs, or as many training views as a sample has inputs, evenly spread. None of them is held out.
std::vector<std::int64_t> evaluation_inputs(const Split& split, const DataConfig& config, const std::string& title);

}  // namespace lact
