// Elements of lists, logs and texts that are forgotten while members begin anew or come back from
// copies, against the specification, which forgets nothing.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "history.h"
#include "property_runs.h"

namespace rejoin {
namespace {

[[maybe_unused]] const bool runs_scaled = scale_property_runs(700);

RC_GTEST_PROP(element_property, members_that_begin_anew_find_every_element_in_its_place, ()) {
  World world(*rc::gen::inRange(2u, 4u), World::Disks::lost_and_made_up_for);
  world.perform(*any_actions_on_elements());
  world.heal();
}

RC_GTEST_PROP(element_property, members_whose_disks_fall_back_find_every_element_in_its_place, ()) {
  World world(*rc::gen::inRange(2u, 4u), World::Disks::fall_back);
  world.perform(*any_actions_on_elements());
  world.heal();
}

}  // namespace
}  // namespace rejoin
