"""What a page measures about itself: contrast, sizes, overflow; each is an expression for the browser."""

# Ratio of luminances (WCAG 2.2, 1.4.3) of every text that shows, where it is below what AA asks for.
PALE = """() => {
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const found = parse(getComputedStyle(e).backgroundColor);
      if (found.a === 1) return found.rgb;
      if (found.a !== 0) throw new Error("a background that shines through");
    }
    return [255, 255, 255];
  };
  const pale = [], checked = [];
  const check = (element, what, color, wanted) => {
    const found = ratio(parse(color).rgb, behind(element));
    checked.push(what);
    if (found < wanted) pale.push(`${what}: ${found.toFixed(2)}`);
  };
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const own = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (own) check(element, element.textContent, style.color, wanted);
    const hint = getComputedStyle(element, "::placeholder").color;
    if (element.placeholder) check(element, element.placeholder, hint, 4.5);
    if (element.matches("input, textarea")) check(element.parentElement, "its edge", style.borderTopColor, 3);
  }
  for (const face of document.querySelectorAll(".face")) {
    for (let hue = 0; hue < 360; hue += 5) {
      face.style.setProperty("--hue", hue);
      check(face, `face ${hue}`, getComputedStyle(face).color, 4.5);
    }
    break;
  }
  return { pale, checked: checked.length };
}"""
# What can be pressed, and is smaller than fingers need (WCAG 2.2, 2.5.8).
SMALL = """() => {
  const all = [...document.querySelectorAll("button, input, textarea")];
  const pressable = all.filter((e) => e.checkVisibility());
  const sizes = pressable.map((e) => e.getBoundingClientRect()).map((box) => Math.min(box.width, box.height));
  return pressable.filter((_, at) => sizes[at] < 24).map((e) => e.id || e.textContent);
}"""

# What reaches out of the window; the list of people may be scrolled sideways.
TOO_WIDE = """() => {
  const all = [...document.querySelectorAll("body *")];
  const shown = all.filter((e) => e.checkVisibility() && !e.closest("ul"));
  const wide = shown.filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5);
  return wide.map((e) => e.id || e.className || e.tagName);
}"""
