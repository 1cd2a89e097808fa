"""Bytes moved are counted by where arrays lie, in a program written by hand."""

from structcomp_jax.engine import traffic

# Arrays of [1000] float32 are 4000 bytes. %a lies in main memory, %near inside
# of the chip.
_PROGRAM = """\
HloModule jit_step

%body_of_fusion (p0: f32[1000], p1: f32[8,1000]) -> f32[1000] {
  %p0 = f32[1000]{0} parameter(0)
  %p1 = f32[8,1000]{1,0} parameter(1)
  %zero = s32[] constant(0)
  %row = f32[1,1000]{1,0} dynamic-slice(%p1, %zero, %zero)
  %flat = f32[1000]{0} bitcast(%row)
  ROOT %sum = f32[1000]{0} add(%p0, %flat)
}

%body_of_update (p2: f32[8,1000], p3: f32[1,1000]) -> f32[8,1000] {
  %p2 = f32[8,1000]{1,0} parameter(0)
  %p3 = f32[1,1000]{1,0} parameter(1)
  %first = s32[] constant(0)
  ROOT %new = f32[8,1000]{1,0} dynamic-update-slice(%p2, %p3, %first, %first)
}

%body_of_sort (p4: f32[1000]) -> (f32[1000], s32[1000]) {
  %p4 = f32[1000]{0} parameter(0)
  %places = s32[1000]{0} iota(), iota_dimension=0
  ROOT %both = (f32[1000]{0}, s32[1000]{0}) sort(%p4, %places), dimensions={0}
}

%loop_body (state: (s32[], f32[1000])) -> (s32[], f32[1000]) {
  %state = (s32[], f32[1000]{0}) parameter(0)
  %at = s32[] get-tuple-element(%state), index=0
  %value = f32[1000]{0} get-tuple-element(%state), index=1
  %twice = f32[1000]{0:T(128)S(1)} add(%value, %value)
  ROOT %next = (s32[], f32[1000]{0}) tuple(%at, %twice)
}

%counted (given: (s32[], f32[1000])) -> pred[] {
  %given = (s32[], f32[1000]{0}) parameter(0)
  %now = s32[] get-tuple-element(%given), index=0
  %limit = s32[] constant(5)
  ROOT %less = pred[] compare(%now, %limit), direction=LT
}

%small (s0: f32[1000]) -> f32[1000] {
  ROOT %s0 = f32[1000]{0} parameter(0)
}

%large (l0: f32[1000]) -> f32[1000] {
  %l0 = f32[1000]{0} parameter(0)
  ROOT %negative = f32[1000]{0} negate(%l0)
}

ENTRY %main (a: f32[1000], stack: f32[8,1000]) -> f32[1000] {
  %a = f32[1000]{0} parameter(0)
  %stack = f32[8,1000]{1,0} parameter(1)
LINES
}
"""


def moved(*lines, **options):
  text = _PROGRAM.replace("LINES", "\n".join(f"  {line}" for line in lines))
  return traffic.bytes_per_step(text, **options)


def test_operands_and_result_in_main_memory_count():
  assert moved("%sum = f32[1000]{0} add(%a, %a)") == 12000
  assert moved("%kept = pred[1000]{0} compare(%a, %a), direction=LT") == 9000
  assert moved("%low = bf16[1000]{0:T(8,128)(2,1)} convert(%a)") == 6000


def test_what_lies_inside_of_the_chip_counts_only_where_it_is_asked():
  lines = (
    "%near = f32[1000]{0:T(128)S(1)} negate(%a)",
    "%far = f32[1000]{0} negate(%near)",
  )
  assert moved(*lines) == 8000
  assert moved(*lines, inside_too=True) == 16000


def test_a_copy_counts_on_the_side_of_main_memory():
  lines = (
    "%go = (f32[1000]{0:S(1)}, f32[1000]{0}, u32[]) copy-start(%a)",
    "%near = f32[1000]{0:T(128)S(1)} copy-done(%go)",
  )
  assert moved(*lines) == 4000
  assert moved(*lines, inside_too=True) == 8000


def test_of_what_a_fusion_slices_the_slice_counts():
  line = (
    "%sum = f32[1000]{0} fusion(%a, %stack), kind=kLoop, calls=%body_of_fusion"
  )
  assert moved(line) == 12000


def test_what_is_updated_in_place_is_not_copied():
  lines = (
    "%row = f32[1,1000]{1,0:S(1)} bitcast(%a)",
    "%new = f32[8,1000]{1,0} fusion(%stack, %row), kind=kLoop,"
    " calls=%body_of_update",
  )
  assert moved(*lines) == 4000


def test_all_results_of_one_instruction_count():
  line = (
    "%sorted = (f32[1000]{0}, s32[1000]{0:S(1)}) fusion(%a), kind=kCustom,"
    " calls=%body_of_sort"
  )
  assert moved(line) == 8000
  assert moved(line, inside_too=True) == 12000


_LOOP = (
  "%start = (s32[], f32[1000]{0}) tuple(%zero, %a)",
  "%end = (s32[], f32[1000]{0}) while(%start), condition=%counted,"
  " body=%loop_body",
)
_BESIDE = "%sum = f32[1000]{0} add(%a, %a)"


def test_a_counted_loop_counts_as_often_as_it_runs():
  assert moved(*_LOOP, _BESIDE) == 5 * 8000 + 12000


def test_steps_count_without_what_lies_beside_them():
  unknown = _PROGRAM.replace(
    "%limit = s32[] constant(5)",
    "%limit = s32[] get-tuple-element(%given), index=0",
  )
  text = unknown.replace("LINES", "\n".join((*_LOOP, _BESIDE)))
  assert traffic.bytes_per_step(text) == 8000


def test_of_two_branches_the_larger_one_counts():
  line = (
    "%end = f32[1000]{0} conditional(%which, %a, %a),"
    " branch_computations={%small, %large}"
  )
  assert moved(line) == 8000


def test_names_that_move_nothing_are_free():
  assert (
    moved(
      "%pair = (f32[1000]{0}, f32[8,1000]{1,0}) tuple(%a, %stack)",
      "%part = f32[8,1000]{1,0} get-tuple-element(%pair), index=1",
      "%whole = f32[1000]{0} custom-call(%a),"
      ' custom_call_target="ConcatBitcast"',
    )
    == 0
  )
