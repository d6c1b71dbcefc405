// Lists what is hard to read on the page as it stands: text below 4.5:1 (3:1 if large), edges of controls below 3:1.
(() => {
  const parse = (text) => {
    const srgb = /^color\(srgb (.+)\)$/.exec(text);
    if (srgb) {
      const [red, green, blue, alpha = 1] = srgb[1].split(/[\s/]+/).map(Number);
      return [red * 255, green * 255, blue * 255, alpha];
    }
    const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
  const backOf = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, backOf(element.parentElement));
  };
  const light = (color) => {
    const [red, green, blue] = color.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const seen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !element.closest('.unseen');
  const poor = [];
  const need = (least, what, element, front, back) => {
    const is = ratio(over(front, back), back);
    if (is < least) poor.push(`${what} ${is.toFixed(2)}:1 of ${element.outerHTML.slice(0, 110)}`);
  };

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest('script, style, template') || !seen(element)) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const color = element instanceof SVGElement ? style.fill : style.color;
    need(large ? 3 : 4.5, 'text', element, parse(color), backOf(element));
  }
  for (const input of document.querySelectorAll('input:not([type="radio"]):not([type="checkbox"]), select')) {
    if (!seen(input)) continue;
    const back = backOf(input);
    need(4.5, 'value', input, parse(getComputedStyle(input).color), back);
    need(4.5, 'placeholder', input, parse(getComputedStyle(input, '::placeholder').color), back);
    if (!input.readOnly) need(3, 'edge', input, parse(getComputedStyle(input).borderTopColor), backOf(input.parentElement));
  }
  for (const button of document.querySelectorAll('button:not(:disabled)')) {
    if (seen(button)) need(3, 'edge', button, parse(getComputedStyle(button).borderTopColor), backOf(button.parentElement));
  }
  return poor;
})()
